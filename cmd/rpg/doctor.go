package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/evaluate"
	"rpg/evaluate/fetch"
	"rpg/generator/compute"
)

func (s *session) doctorVerb() verb {
	return verb{
		name: "doctor", usage: "what this machine has and what is missing; text to paste into an issue",
		examples: "rpg doctor\nrpg doctor --json",
		flags:    computeFlags(),
		run: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return s.doctor(c)
		},
	}
}

// finding is one line of the doctor's answer. Hint is set where something is
// missing.
type finding struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	OK    bool   `json:"ok"`
	Hint  string `json:"hint,omitempty"`
}

func (s *session) doctor(c *cli.Context) error {
	list := []finding{
		good("rpg", versionText()),
		good("built with", fmt.Sprintf("%s, %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)),
		good("system", systemName()),
		good("cpu", cpuName()),
		good("simd", strings.Join(simdNames(), " ")),
		good("cores", fmt.Sprintf("%d in the machine, %d for this process, %d threads used", machineCores(), runtime.NumCPU(), runtime.GOMAXPROCS(0))),
		good("cgroup", cgroupLimits()),
		good("memory", memoryText()),
		good("gpu", gpuText()),
	}
	device, err := s.selfTest(c)
	if err != nil {
		return err
	}
	list = append(list, device...)
	list = append(list, runtimeFinding())
	list = append(list, dataFindings()...)

	bad := 0
	for _, f := range list {
		if !f.OK {
			bad++
		}
	}
	if s.json {
		return s.answerJSON(struct {
			Schema   string    `json:"schema"`
			OK       bool      `json:"ok"`
			Findings []finding `json:"findings"`
		}{"rpg.doctor/1", bad == 0, list})
	}
	for _, f := range list {
		mark := "  "
		if !f.OK {
			mark = "! "
		}
		s.printf("%s%-14s%s\n", mark, f.Name, f.Value)
		if f.Hint != "" {
			s.printf("  %-14s%s\n", "", "-> "+f.Hint)
		}
	}
	return nil
}

func good(name, value string) finding { return finding{Name: name, Value: value, OK: true} }

// selfTest opens the device and compares a matrix product and random numbers
// with what they must be.
func (s *session) selfTest(c *cli.Context) ([]finding, error) {
	m, err := machineOf(c)
	if err != nil {
		return nil, err
	}
	d, why, err := m.open()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	name := fmt.Sprintf("%s (%s)", d.Info().Name, why)
	begun := time.Now()
	if err := checkDevice(d); err != nil {
		return []finding{good("device", name),
			{Name: "self-test", Value: err.Error(), Hint: "report this, with the text above: results on this machine cannot be trusted"}}, nil
	}
	return []finding{good("device", name),
		good("self-test", fmt.Sprintf("passed in %s", time.Since(begun).Round(time.Millisecond)))}, nil
}

// checkDevice holds Gemm at an odd size against float64 and the normal numbers
// against their mean and standard deviation.
func checkDevice(d compute.Device) error {
	const m, k, n = 67, 131, 53
	const values = 1 << 16
	a, b, x := d.Alloc(m*k), d.Alloc(k*n), d.Alloc(m*n)
	d.Normal(a, 1, 0)
	d.Normal(b, 1, 1)
	d.Gemm(compute.MatrixOf(x, m, n), compute.MatrixOf(a, m, k), compute.MatrixOf(b, k, n), false, false, 0, nil)
	av, bv, xv := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	normal := d.Alloc(values)
	d.Normal(normal, 2, 0)
	z := make([]float32, values)
	for _, t := range []struct {
		dst []float32
		src compute.Buffer
	}{{av, a}, {bv, b}, {xv, x}, {z, normal}} {
		if err := d.Download(t.dst, t.src); err != nil {
			return err
		}
	}
	for i := range m {
		for j := range n {
			want := 0.0
			for l := range k {
				want += float64(av[i*k+l]) * float64(bv[l*n+j])
			}
			if got := float64(xv[i*n+j]); !(math.Abs(got-want) <= 1e-4*math.Sqrt(k)) {
				return fmt.Errorf("failed: matrix product, element (%d, %d): expected %g, found %g", i, j, want, got)
			}
		}
	}
	mean, square := 0.0, 0.0
	for _, v := range z {
		mean += float64(v) / values
		square += float64(v) * float64(v) / values
	}
	if !(math.Abs(mean) <= 0.02 && math.Abs(square-1) <= 0.03) {
		return fmt.Errorf("failed: normal numbers: expected mean 0 and variance 1, found %.3f and %.3f", mean, square)
	}
	return nil
}

// runtimeFinding looks for libonnxruntime and loads it.
func runtimeFinding() finding {
	f := finding{Name: "onnxruntime"}
	path, version, how, err := fetch.FindRuntime()
	if err == nil {
		f.Value = fmt.Sprintf("%s, %s: %s", version, how, path)
		var rt *evaluate.Runtime
		if rt, err = evaluate.OpenRuntime(path); err == nil {
			f.OK = true
			rt.Close()
			return f
		}
	}
	f.Value = "not usable: " + plain(err)
	var h hinter
	if errors.As(err, &h) {
		f.Hint = h.Hint()
	}
	if f.Hint == "" {
		f.Hint = "rpg fetch onnxruntime"
	}
	return f
}

// dataFindings says what is in the cache.
func dataFindings() []finding {
	cache, err := fetch.CacheDir()
	if err != nil {
		return []finding{{Name: "cache", Value: plain(err), Hint: "set XDG_CACHE_HOME to a folder you can write to"}}
	}
	list := []finding{good("cache", cache)}
	if path, err := fetch.FindCIFAR10(); err == nil {
		return append(list, good("cifar10", path))
	}
	// Missing data is no fault: the embedded images serve demo.
	f := good("cifar10", "not here")
	f.Hint = "rpg fetch cifar10 (184 MB), for `rpg evaluate --data cifar10`"
	return append(list, f)
}

// plain is the text of an error as report writes it, on one line.
func plain(err error) string {
	var b strings.Builder
	reportError(&b, errors.New(strings.ReplaceAll(err.Error(), "\n", ";")), "")
	return strings.TrimSpace(strings.TrimPrefix(b.String(), "rpg: "))
}

// systemName is the distribution and the kernel, as far as files say it.
func systemName() string {
	name := runtime.GOOS
	for line := range strings.Lines(fileText("/etc/os-release")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			name = strings.Trim(v, `"`)
		}
	}
	if kernel := strings.TrimSpace(fileText("/proc/sys/kernel/osrelease")); kernel != "" {
		name += ", kernel " + kernel
	}
	return name
}

// fileText is the content of a small system file, "" when there is none.
func fileText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}
