package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, out, key string
		want           float64
		says           string // of the error
	}{
		{"one line", `{"cmd": "train", "seconds": 1.25}`, "seconds", 1.25, ""},
		{"median and best", `{"mm1024_fp32_gflops": [80.5, 82.1]}`, "mm1024_fp32_gflops", 80.5, ""},
		{"a warning before", "UserWarning: slow\n{\"seconds\": 2}\n", "seconds", 2, ""},
		{"no such key", `{"seconds": 2}`, "rss_mb", 0, "rss_mb: expected a positive number"},
		{"zero", `{"seconds": 0}`, "seconds", 0, "expected a positive number"},
		{"text", `{"seconds": "2"}`, "seconds", 0, "expected a positive number"},
		{"failed", `{"cmd": "train", "failed": true}`, "", 0, "the measurement failed: no module named torch"},
		{"nothing", "", "", 0, "expected a line of JSON"},
		{"cut off", `{"seconds": 2`, "", 0, "expected a line of JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parse([]byte(c.out), "no module named torch\n")
			got := 0.0
			if err == nil {
				got, err = a.Number(c.key)
			}
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("error %v, want one with %q", err, c.says)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// program is a Program whose interpreter is a shell.
func program(t *testing.T, script string) *Program {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "peer.py"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Program{Python: "/bin/sh", Folder: folder, Threads: 2, Seconds: 0.5, Repeats: 3}
}

func TestRun(t *testing.T) {
	p := program(t, `echo "{\"arguments\": \"$*\", \"wait\": \"$OMP_WAIT_POLICY\"}"`)
	a, err := p.Run(context.Background(), "train", "--config", "cnnm")
	if err != nil {
		t.Fatal(err)
	}
	want := "train --config cnnm --mamba " + filepath.Join(p.Folder, "mamba2_torch.py") + " --threads 2 --seconds 0.5 --repeats 3"
	if a["arguments"] != want || a["wait"] != "PASSIVE" {
		t.Errorf("peer.py was given %v, want %q and OMP_WAIT_POLICY=PASSIVE", a, want)
	}
}

func TestRunFails(t *testing.T) {
	p := program(t, "echo one; echo two >&2; echo 'No module named torch' >&2; exit 3")
	if _, err := p.Run(context.Background(), "gemm"); err == nil || !strings.Contains(err.Error(), "exit status 3: two; No module named torch") {
		t.Errorf("error %v, want exit status 3 and what the program complained of", err)
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	p.Folder = t.TempDir()
	if err := p.Check(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without peer.py: error %v, want one of a file that does not exist", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p = program(t, "echo '{}'")
	if _, err := p.Run(ctx, "gemm"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v, want context.Canceled", err)
	}
}

func TestPython(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("PATH", t.TempDir())
	var told string
	if _, err := Python(context.Background(), cache, func(line string) { told = line }); err == nil || !strings.Contains(err.Error(), "no python3") {
		t.Errorf("error %v, want one that there is no python3", err)
	}
	if !strings.Contains(told, "torch==") || !strings.Contains(told, cache) {
		t.Errorf("told %q, want what is installed and where", told)
	}
	home := filepath.Join(cache, "peer-torch-2.15.0")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "complete"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Python(context.Background(), cache, func(string) { t.Error("an environment that is complete was made again") })
	if want := filepath.Join(home, "bin", "python"); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestRunGPU(t *testing.T) {
	p := program(t, "")
	p.Python = filepath.Join(p.Folder, "python")
	script := "#!/bin/sh\ngrep -q peer.build \"$1\" || exit 4\ncd \"$(dirname \"$1\")\"\nshift\nprintf '{\"words\": \"%s\", \"config\": %s}\\n' \"$(echo \"$*\" | sed \"s:$PWD/::\")\" \"$(cat config.json)\"\n"
	if err := os.WriteFile(p.Python, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	m := Model{Token: 256, Width: 192, Out: 256, State: 32, Batch: 2, Rows: 8, Channels: []int{1, 4, 1}, LR: 1e-4, Models: 3, Steps: 60, EightBit: true, Elements: []int{5, 7}}
	a, err := p.RunGPU(context.Background(), m, "published", "cuda:1", "train", "--compile")
	if err != nil {
		t.Fatal(err)
	}
	want := "train --compile --peer " + p.Folder + " --official published --config config.json --device cuda:1 --seconds 0.5"
	if a["words"] != want {
		t.Errorf("gpu.py was given %v, want %v", a["words"], want)
	}
	config, ok := a["config"].(map[string]any)
	if elements := fmt.Sprint(config["elements"]); !ok || config["out"] != 256.0 || config["eight_bit"] != true || elements != "[5 7]" {
		t.Errorf("gpu.py was given the sizes %v, want those of %+v", a["config"], m)
	}
}

// Python takes gpu.py for a program. What it computes needs PyTorch and the published
// model, which are no part of this repository.
func TestGPUProgramCompiles(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: gpu.py is not compiled")
	}
	cmd := exec.Command(python, "-c", "import sys; compile(sys.stdin.read(), 'gpu.py', 'exec')")
	cmd.Stdin = bytes.NewReader(gpuProgram)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
