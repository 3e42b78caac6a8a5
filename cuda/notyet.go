package cuda

import (
	"fmt"

	"rpg/generator/compute"
)

// notYet is kept by the device as the failure of an operation without a kernel.
// conformance_test.go lists the same operations.
func (d *device) notYet(operation string) {
	d.keep(fmt.Errorf("cuda: this build has no kernel for %s; use --device cpu", operation))
}

func (d *device) Normal(dst compute.Buffer, seed, stream uint64) { d.notYet("Normal") }

func (d *device) AdamW(a compute.AdamW) { d.notYet("AdamW") }

func (d *device) LSTM(a compute.LSTM) { d.notYet("LSTM") }

func (d *device) LSTMBackward(a compute.LSTMBackward) { d.notYet("LSTMBackward") }

func (d *device) Attention(a compute.Attention) { d.notYet("Attention") }

func (d *device) AttentionBackward(a compute.AttentionBackward) { d.notYet("AttentionBackward") }
