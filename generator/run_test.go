package generator

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRunFolderRefusals(t *testing.T) {
	zoo, template := testZoo(t, 3, 512)
	other, _ := testZoo(t, 2, 512)
	changed, _ := testZoo(t, 3, 512)
	changed.Tokens[17] += 0.25
	r := small(t)
	create := func(dir string, r Resolved, z *Zoo, template func(string) error) error {
		run, err := Create(dir, r, z, template, false)
		if err == nil {
			err = run.Close()
		}
		return err
	}
	made := t.TempDir()
	if err := create(made, r, zoo, template); err != nil {
		t.Fatal(err)
	}
	if err := create(made, r, zoo, template); err != nil {
		t.Fatalf("the same again: %v", err)
	}
	for _, c := range []struct {
		name string
		r    Resolved
		z    *Zoo
		key  string
	}{
		{"another configuration", small(t, Override{"lr", "0.125", ""}), zoo, "lr"},
		{"another optimizer", small(t, Override{"optimizer", "adamw8bit", ""}), zoo, "optimizer"},
		{"fewer models", r, other, "number of models"},
		{"other weights", r, changed, "sha256 of the models' weights"},
	} {
		var mismatch *MismatchError
		if err := create(made, c.r, c.z, template); !errors.As(err, &mismatch) || mismatch.Key != c.key {
			t.Errorf("%s: %v, want a MismatchError of %q", c.name, err, c.key)
		}
	}

	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.tex"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := create(foreign, r, zoo, template); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("a folder with other files: %v", err)
	}
	if err := create(t.TempDir(), r, zoo, func(string) error { return errors.New("no template today") }); err == nil || !strings.Contains(err.Error(), "no template today") {
		t.Errorf("a template that cannot be written: %v", err)
	}
	if _, err := Open(foreign); err == nil || !strings.Contains(err.Error(), "not a run folder") {
		t.Errorf("opening a folder that is no run: %v", err)
	}

	run, err := Create(made, r, zoo, template, false)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var locked *LockedError
	if err := create(made, r, zoo, template); !errors.As(err, &locked) {
		t.Errorf("a second training: %v, want a LockedError", err)
	}
	if err := refuseSample(t, run, DefaultSampling()); err == nil || !strings.Contains(err.Error(), "nothing is learned yet") {
		t.Errorf("sampling before training: %v", err)
	}
}

// TestDamagedRun: each damaged file of a run is named.
func TestDamagedRun(t *testing.T) {
	zoo, template := testZoo(t, 2, 512)
	r := small(t, Override{"steps", "2", ""})
	for _, c := range []struct {
		file, says string
		damage     func([]byte) []byte
	}{
		{stateFile, stateFile, func(b []byte) []byte { return b[:len(b)-3] }},
		{stateFile, stateFile, func([]byte) []byte { return nil }},
		{modelFile, modelFile, func(b []byte) []byte { return append(b, 0) }},
		{modelFile, "NaN", func(b []byte) []byte { copy(b[len(b)-4:], "\xff\xff\xff\x7f"); return b }},
		{configFile, configFile, func(b []byte) []byte { return b[:len(b)/2] }},
		{configFile, "config_sha256", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"seed": 1`, `"seed": 2`, 1))
		}},
		{layoutFile, layoutFile, func(b []byte) []byte { return []byte(strings.Replace(string(b), "512", "511", 1)) }},
	} {
		dir := t.TempDir()
		if err := trainIn(t, dir, r, zoo, template, 1, Hooks{}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, c.damage(b), 0o666); err != nil {
			t.Fatal(err)
		}
		use := func() error {
			run, err := Open(dir)
			if err != nil {
				return err
			}
			if err := refuseSample(t, run, DefaultSampling()); err != nil {
				return err
			}
			again, err := Create(dir, r, zoo, template, false)
			if err != nil {
				return err
			}
			defer again.Close()
			return again.Train(context.Background(), openCPU(t, 1), zoo, Hooks{})
		}
		if err := use(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("damaged %s: %v, want an error that says %q", c.file, err, c.says)
		}
		// --fresh begins again whatever the state.
		run, err := Create(dir, r, zoo, template, true)
		if err != nil {
			t.Errorf("fresh after damage to %s: %v", c.file, err)
			continue
		}
		run.Close()
	}
}

// TestKill stops a training process by SIGKILL at random moments and resumes
// it; the result equals that of a run without a stop. The process is this test
// binary, which TestTrainingProcess turns into a training.
func TestKill(t *testing.T) {
	zoo, template := testZoo(t, 4, 512)
	r := killedConfig(t)
	whole, killed, temporary := t.TempDir(), t.TempDir(), t.TempDir()
	if err := trainIn(t, whole, r, zoo, template, 2, Hooks{}); err != nil {
		t.Fatal(err)
	}
	kills := 0
	for attempt := range 200 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTrainingProcess$")
		// A killed process cannot remove its own temporary folder.
		cmd.Env = append(os.Environ(), "RPG_TEST_TRAIN_IN="+killed, "TMPDIR="+temporary, "TMP="+temporary)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		if kills < 6 {
			// Moments differ in each run of the test: any of them must do.
			delay := time.Duration(5+rand.IntN(40+20*attempt)) * time.Millisecond
			select {
			case err := <-done:
				if err != nil {
					t.Fatalf("the training process failed by itself: %v", err)
				}
			case <-time.After(delay):
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				kills++
				<-done
				continue
			}
		} else if err := <-done; err != nil {
			t.Fatalf("the resumed process failed: %v", err)
		}
		break
	}
	if kills == 0 {
		t.Fatal("the process was never killed")
	}
	sameFile(t, modelFile, whole, killed)
	sameFile(t, stateFile, whole, killed)
}

func killedConfig(t *testing.T) Resolved {
	return small(t, Override{"steps", "120", ""})
}

// TestTrainingProcess is the process that TestKill kills.
func TestTrainingProcess(t *testing.T) {
	dir := os.Getenv("RPG_TEST_TRAIN_IN")
	if dir == "" {
		t.Skip("runs only as the process that TestKill starts")
	}
	zoo, template := testZoo(t, 4, 512)
	if err := trainIn(t, dir, killedConfig(t), zoo, template, 1, Hooks{SaveEvery: 1}); err != nil {
		t.Fatal(err)
	}
}
