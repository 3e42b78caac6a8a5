package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/cuda"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/generator/compute/cpu"
)

// machine is what --device, --threads and --precision ask for.
type machine struct {
	device    string // --device as it was given
	kind      string // auto, cpu or cuda
	gpu       int    // the number of the GPU, with auto the first
	threads   int    // of the CPU, 0: all
	precision string // one of precisions
}

// precisions are what --precision accepts, the default first.
var precisions = []string{"f32", "bf16"}

// precisionFlag is for the verbs that train and sample.
func precisionFlag() cli.Flag {
	return &cli.StringFlag{Name: "precision", Value: precisions[0], Category: computing,
		Usage: "of products: `f32`, or bf16 with f32 sums, where the processor or GPU has it"}
}

// machineOf reads and checks --device, --threads and, where the verb has it,
// --precision.
func machineOf(c *cli.Context) (machine, error) {
	m := machine{device: c.String("device"), precision: precisions[0]}
	var err error
	if m.kind, m.gpu, err = deviceChoice(m.device); err != nil {
		return machine{}, err
	}
	if m.threads, err = threadCount(c); err != nil {
		return machine{}, err
	}
	if findFlag(c.Command.Flags, "precision") != nil {
		m.precision = c.String("precision")
	}
	if !slices.Contains(precisions, m.precision) {
		return machine{}, usagef(didYouMean(m.precision, precisions, "--precision ", ""), "--precision: expected %s, found %q", strings.Join(precisions, " or "), m.precision)
	}
	return m, nil
}

// openDevice opens the device and says which one it is and why.
func (s *session) openDevice(m machine) (compute.Device, error) {
	d, why, err := m.open()
	if err != nil {
		return nil, err
	}
	s.say("device: %s (%s)", d.Info().Name, why)
	return d, nil
}

// open returns the device that m asks for and why it is this one. With auto it is
// the first GPU or, for the reason that is told, the CPU.
func (m machine) open() (d compute.Device, why string, err error) {
	why = "--device " + m.device
	if m.kind != "cpu" {
		d, err := cuda.Open(m.gpu, m.precision == "bf16")
		if err == nil || m.kind == "cuda" {
			return d, why, withHint(err, "--device auto or --device cpu uses the CPU")
		}
		why += ": " + shortly(err)
	}
	open := cpu.Open
	if m.precision == "bf16" {
		open = cpu.OpenBF16
	}
	d, err = open(m.threads)
	return d, why, err
}

// shortly says in a few words why there is no GPU.
func shortly(err error) string {
	var missing *cuda.MissingError
	if errors.As(err, &missing) {
		return missing.Reason.String()
	}
	return strings.TrimPrefix(err.Error(), "cuda: ")
}

// checkMemory refuses a training whose buffers alone are larger than the GPU's memory.
func checkMemory(d compute.Device, c generator.Config, f generator.Forecast) error {
	i := d.Info()
	if i.Kind != "cuda" || f.DeviceBytes <= i.Memory {
		return nil
	}
	return failedf(smaller(c), "%s: out of memory: expected room for %s (%d bytes), found %s (%d bytes)",
		i.Name, size(f.DeviceBytes), f.DeviceBytes, size(i.Memory), i.Memory)
}

// smaller is what to do about a training for which there is no memory.
func smaller(c generator.Config) string {
	hint := "a smaller --window, --diffusion-batch, --batch or --token-dim takes less"
	if c.Optimizer == "adamw" {
		hint += ", and so does --optimizer adamw8bit"
	}
	return hint + "; --dry-run says how much"
}

// trainingFailed gives err, with which a training ended after the step that is
// given, a hint where it is the device that failed.
func trainingFailed(err error, d compute.Device, run *generator.Run, step int) error {
	if d.Sync() == nil {
		return err // a file, and not the device
	}
	var memory *cuda.MemoryError
	if errors.As(err, &memory) && step == 0 {
		return withHint(err, smaller(run.Config))
	}
	return withHint(err, "what was saved in "+run.Dir+" is whole: the same command goes on from there, with --device cpu too")
}

// threadCount reads --threads.
func threadCount(c *cli.Context) (int, error) {
	n := c.Int("threads")
	if n < 0 || n > 1<<12 {
		return 0, usagef("0 takes every core that this process may use", "--threads: expected 0 to %d, found %d", 1<<12, n)
	}
	return n, nil
}

// deviceChoice reads a --device value.
func deviceChoice(name string) (kind string, gpu int, err error) {
	known := []string{"auto", "cpu", "cuda"}
	if slices.Contains(known, name) {
		return name, 0, nil
	}
	kind, number, _ := strings.Cut(name, ":")
	if kind == "cuda" {
		gpu, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return "", 0, usagef("cuda:0 is the first GPU", "--device: expected cuda:N with a number N, found %q", name)
		}
		return kind, int(gpu), nil
	}
	hint := "auto takes the best there is"
	if n := nearest(kind, known); n != "" && !slices.Contains(known, kind) {
		hint = "did you mean \"--device " + n + "\"?"
	}
	return "", 0, usagef(hint, "--device: expected auto, cpu, cuda or cuda:N, found %q", name)
}
