package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/generator/compute"
	"rpg/generator/compute/cpu"
)

// machine is what --device, --threads and --precision ask for.
type machine struct {
	why       string // why this device
	threads   int    // 0: all
	precision string // one of precisions
}

// precisions are what --precision accepts, the default first.
var precisions = []string{"f32", "bf16"}

// precisionFlag is for the verbs that train and sample.
func precisionFlag() cli.Flag {
	return &cli.StringFlag{Name: "precision", Value: precisions[0], Category: computing,
		Usage: "of matrix products: `f32`, or bf16 with f32 sums, where the processor has it"}
}

// machineOf reads and checks --device, --threads and, where the verb has it,
// --precision.
func machineOf(c *cli.Context) (machine, error) {
	why, err := deviceChoice(c.String("device"))
	if err != nil {
		return machine{}, err
	}
	threads, err := threadCount(c)
	if err != nil {
		return machine{}, err
	}
	precision := precisions[0]
	if findFlag(c.Command.Flags, "precision") != nil {
		precision = c.String("precision")
	}
	if !slices.Contains(precisions, precision) {
		return machine{}, usagef(didYouMean(precision, precisions, "--precision ", ""), "--precision: expected %s, found %q", strings.Join(precisions, " or "), precision)
	}
	return machine{why, threads, precision}, nil
}

// openDevice opens the device and says which one it is and why.
func (s *session) openDevice(m machine) (compute.Device, error) {
	open := cpu.Open
	if m.precision == "bf16" {
		open = cpu.OpenBF16
	}
	d, err := open(m.threads)
	if err != nil {
		return nil, err
	}
	s.say("device: %s (%s)", d.Info().Name, m.why)
	return d, nil
}

// threadCount reads --threads.
func threadCount(c *cli.Context) (int, error) {
	n := c.Int("threads")
	if n < 0 || n > 1<<12 {
		return 0, usagef("0 takes every core that this process may use", "--threads: expected 0 to %d, found %d", 1<<12, n)
	}
	return n, nil
}

// deviceChoice checks a --device value and says why the CPU is taken.
func deviceChoice(name string) (why string, err error) {
	kind, number, numbered := strings.Cut(name, ":")
	switch {
	case name == "auto":
		return "--device auto: this build has no CUDA engine yet", nil
	case name == "cpu":
		return "--device cpu", nil
	case kind == "cuda":
		if _, err := strconv.ParseUint(number, 10, 16); numbered && err != nil {
			return "", usagef("cuda:0 is the first GPU", "--device: expected cuda:N with a number N, found %q", name)
		}
		return "", failedf("--device auto or --device cpu uses the CPU", "--device %s: this build has no CUDA engine yet", name)
	}
	known := []string{"auto", "cpu", "cuda"}
	hint := "auto takes the best there is"
	if n := nearest(kind, known); n != "" && !slices.Contains(known, kind) {
		hint = "did you mean \"--device " + n + "\"?"
	}
	return "", usagef(hint, "--device: expected auto, cpu, cuda or cuda:N, found %q", name)
}
