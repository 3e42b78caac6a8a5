package peer

import (
	"context"
	_ "embed" // gpu.py
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed gpu.py
var gpuProgram []byte

// A Model is what gpu.py makes a generator of: the published one in PyTorch, with these
// sizes, for weights of so many elements.
type Model struct {
	Token    int     `json:"token"`
	Width    int     `json:"width"`
	Out      int     `json:"out"` // width of the second recurrent layer and what follows, 0: width
	State    int     `json:"state"`
	Batch    int     `json:"batch"`
	Rows     int     `json:"rows"` // tokens a step, 0: all
	Channels []int   `json:"channels"`
	LR       float64 `json:"lr"`
	Models   int     `json:"models"` // checkpoints
	Steps    int     `json:"steps"`  // of a sample
	EightBit bool    `json:"eight_bit"`
	Elements []int   `json:"elements"`
}

// RunGPU takes one measurement of m on device cuda:N, or in a rehearsal cpu:
// `gpu.py ARGUMENTS`. official is the folder with the published model/.
func (p *Program) RunGPU(ctx context.Context, m Model, official, device string, arguments ...string) (Answer, error) {
	config, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	folder, err := os.MkdirTemp("", "rpg-peer-")
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	defer os.RemoveAll(folder)
	program, sizes := filepath.Join(folder, "gpu.py"), filepath.Join(folder, "config.json")
	if err := errors.Join(os.WriteFile(program, gpuProgram, 0o600), os.WriteFile(sizes, config, 0o600)); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	words := append([]string{program}, arguments...)
	words = append(words, "--peer", p.Folder, "--official", official, "--config", sizes, "--device", device,
		"--seconds", fmt.Sprint(p.Seconds))
	return p.answer(ctx, words)
}
