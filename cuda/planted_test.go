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

// compiled is the file that is compiled with the change.
func (f fault) compiled() string {
	if f.unit != "" {
		return f.unit
	}
	return f.file
}

// Planted faults: each must be caught by at least one way to run the kernels on
// the host, which are tried in this order: three orders of threads, g++'s
// sanitizer of addresses and undefined behaviour, and work done late.
func TestPlantedFaults(t *testing.T) {
	plantable(t, faults)
	shimLibrary(t, plain) // so that what has no fault is made once
	shimLibrary(t, address)
	plantAll(t, faults, []string{"SquaredSum", "TestOpen"}, catch)
}

// Planted faults in what nvcc makes, which only the interpreter of PTX sees.
func TestPlantedFaultsPTX(t *testing.T) {
	plantable(t, nvccFaults)
	ptxLibrary(t)
	plantAll(t, nvccFaults, []string{bf16Products}, catchPTX)
}

// plantable checks that all texts to replace are there, and skips the test where
// running with them is not asked for.
func plantable(t *testing.T, all []fault) {
	t.Helper()
	if os.Getenv(libraryVariable) != "" {
		t.Skip("this is the program that runs with a fault")
	}
	for _, f := range all {
		if n := strings.Count(read(t, f.file), f.right); n != 1 {
			t.Errorf("%s: %s has %d times what is to be replaced, want once:\n%s", f.name, f.file, n, f.right)
		}
	}
	if !everything() {
		t.Skip("all texts to replace are there; running with them takes minutes: set RPG_TEST_CUDA=all, as .ci/run does")
	}
}

// plantAll has catch run the tests of each fault, and of sound ones without any.
func plantAll(t *testing.T, all []fault, sound []string, catch func(*testing.T, fault) (mode, text string)) {
	caught := make([]string, len(all))
	// A run without a fault passes in every mode: the ways to run are sound.
	t.Run("none", func(t *testing.T) {
		for _, tests := range sound {
			if mode, text := catch(t, fault{tests: tests}); mode != "" {
				t.Fatalf("%s caught %s without a fault:\n%s", mode, tests, text)
			}
		}
	})
	t.Run("faults", func(t *testing.T) {
		for i, f := range all {
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
	for i, f := range all {
		if caught[i] != "" {
			count++
		}
		fmt.Fprintf(&table, "\n%-22s %-48s %s", f.file, f.name, caught[i])
	}
	t.Logf("%d of %d planted faults caught:%s", count, len(all), table.String())
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

// catchPTX is catch for what nvcc makes, which is run in one way.
func catchPTX(t *testing.T, f fault) (mode, text string) {
	t.Helper()
	library := ptxLibrary(t)
	if f.file != "" {
		library = faultyPTX(t, plant(t, f), f)
	}
	text, err := again(library, f.tests, "RPG_CUDA_LIB="+library)
	if err != nil {
		return "ptx", text
	}
	if strings.Contains(text, "no tests to run") {
		t.Fatalf("%s: there is no such test", f.tests)
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
	c, unit := hostCompiler(t), f.compiled()
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

// faultyPTX is faulty for what nvcc makes.
func faultyPTX(t *testing.T, folder string, f fault) string {
	t.Helper()
	c, unit := hostCompiler(t), f.compiled()
	objects := c.nvccObjects(t, folder, []string{unit})
	others := slices.DeleteFunc(files(t, "*.cu"), func(source string) bool { return source == unit })
	objects = append(objects, c.nvccObjects(t, ".", append(others, byNVCC...))...)
	return c.library(t, build{name: nvcc.name}, append(objects, c.interpreter(t)...))
}

// symptom is the line that says most of what is wrong.
func symptom(text string) string {
	for _, sign := range []string{"shim: ", "ptx: ", "accesses.txt allows", "ERROR: ", "runtime error", "fatal error", "_test.go:", ".go:"} {
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
