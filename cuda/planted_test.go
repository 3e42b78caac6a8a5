package cuda

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fault is a change of the kernels' text that makes them wrong: in file, which
// has `right` exactly once, it becomes `wrong`. unit is what is compiled with the
// change, where that is not file itself. tests is an operation of the conformance
// suite, or a test of this package.
type fault struct {
	name, file, unit, right, wrong, tests string
}

// Planted faults: each must be caught by at least one way to run the kernels on
// the host, which are tried in this order: three orders of threads, g++'s
// sanitizer of addresses and undefined behaviour, and work done late.
func TestPlantedFaults(t *testing.T) {
	if os.Getenv(libraryVariable) != "" {
		t.Skip("this is the program that runs with a fault")
	}
	all := slices.Clone(faults)
	for _, f := range unseen {
		all = append(all, f.fault)
	}
	for _, f := range all {
		if n := strings.Count(read(t, f.file), f.right); n != 1 {
			t.Errorf("%s: %s has %d times what is to be replaced, want once:\n%s", f.name, f.file, n, f.right)
		}
	}
	if !everything() {
		t.Skip("all texts to replace are there; running with them takes minutes: set RPG_TEST_CUDA=all, as .ci/run does")
	}
	shimLibrary(t, plain) // so that what has no fault is made once
	shimLibrary(t, address)
	caught := make([]string, len(faults))
	// A run without a fault passes in every mode: the ways to run are sound.
	t.Run("none", func(t *testing.T) {
		for _, op := range []string{"SquaredSum", "TestOpen"} {
			if mode, text := catch(t, fault{tests: op}); mode != "" {
				t.Fatalf("%s caught %s without a fault:\n%s", mode, op, text)
			}
		}
	})
	t.Run("faults", func(t *testing.T) {
		for i, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				mode, text := catch(t, f)
				if caught[i] = mode; mode == "" {
					t.Errorf("%s: no way to run it catches this", f.file)
					return
				}
				t.Logf("%s: %s", mode, symptom(text))
			})
		}
	})
	count := 0
	var table strings.Builder
	for i, f := range faults {
		if caught[i] != "" {
			count++
		}
		fmt.Fprintf(&table, "\n%-22s %-42s %s", f.file, f.name, caught[i])
	}
	t.Logf("%d of %d planted faults caught:%s", count, len(faults), table.String())
	for _, f := range unseen {
		t.Logf("seen by nothing here: %s: %s: %s", f.file, f.name, f.reason)
	}
}

// catch returns the first mode in which the tests fail, "" for none, and what they
// wrote then.
func catch(t *testing.T, f fault) (mode, text string) {
	t.Helper()
	folder := ""
	if f.file != "" {
		folder = plant(t, f)
	}
	for _, mode := range []string{"forward", "reverse", "random", "asan", "late"} {
		b, order, environment := plain, mode, []string(nil)
		switch mode {
		case "asan":
			b, order, environment = address, "forward", addresses.environment(t)
		case "late":
			order, environment = "forward", []string{lateVariable}
		}
		tests := fmt.Sprintf("^TestConformance$/^%s$/^%s$", order, f.tests)
		if strings.HasPrefix(f.tests, "Test") {
			tests = "^" + f.tests + "$"
		}
		environment = append(environment, "RPG_SHIM_ORDER="+order)
		if text, err := again(faulty(t, b, folder, f), tests, environment...); err != nil {
			return mode, text
		} else if strings.Contains(text, "no tests to run") {
			t.Fatalf("%s: there is no such test", tests)
		}
	}
	return "", ""
}

// plant copies all sources to a folder and makes the change there.
func plant(t *testing.T, f fault) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "shim"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range files(t, "*.h", "*.cuh", "*.cu", "shim/*.h") {
		text := read(t, path)
		if path == f.file {
			text = strings.Replace(text, f.right, f.wrong, 1)
		}
		if err := os.WriteFile(filepath.Join(folder, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// faulty returns the library with one object made in folder, which is linked
// first, so that its inline functions are taken.
func faulty(t *testing.T, b build, folder string, f fault) string {
	t.Helper()
	if folder == "" {
		return shimLibrary(t, b)
	}
	unit := f.unit
	if unit == "" {
		unit = f.file
	}
	c := hostCompiler(t)
	path, args := c.object(t, b, folder, unit)
	c.make(t, folder, path, append(args, "-w")) // a fault may leave something unused
	objects := []string{path}
	for _, source := range files(t, "*.cu", "shim/*.cc") {
		if source != unit {
			path, _ := c.object(t, b, ".", source)
			objects = append(objects, path)
		}
	}
	library := c.library(t, b, objects)
	if t.Failed() {
		t.FailNow()
	}
	return library
}

// symptom is the line that says most of what is wrong.
func symptom(text string) string {
	for _, sign := range []string{"shim: ", "ERROR: ", "runtime error", "fatal error", "_test.go:", ".go:"} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, sign) {
				return strings.TrimSpace(line)
			}
		}
	}
	return "it ended without a word"
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
