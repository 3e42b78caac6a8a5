package cuda

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sanitizer is one of g++'s: a build of the kernels that it watches, its own
// library, which must be loaded before all else, and its options.
type sanitizer struct {
	build            build
	preload, options string
	suppressions     string
}

var (
	// Leaks would be Go's; the stacks of fibers are not those that ASan knows.
	addresses = sanitizer{build: address, preload: "libasan.so",
		options: "ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0"}
	// Go moves the caller from one thread to another, and maps memory, without
	// TSan's knowledge. mmap has a prefix of TSan's own there.
	races = sanitizer{build: threads, preload: "libtsan.so", options: "TSAN_OPTIONS=halt_on_error=1:suppressions=",
		suppressions: "race:^rpg_\nrace:^cuda\nrace:mmap$\n"}
)

// environment returns what makes the sanitizer watch a program that is started
// with it. It skips the test where g++ does not have the sanitizer.
func (s sanitizer) environment(t *testing.T) []string {
	t.Helper()
	// g++ names a library without a folder when it has none.
	preload, err := exec.Command("g++", "-print-file-name="+s.preload).Output()
	path := strings.TrimSpace(string(preload))
	if err != nil || !filepath.IsAbs(path) {
		t.Skipf("g++ has no %s", s.preload)
	}
	if s.suppressions != "" {
		list := filepath.Join(t.TempDir(), "suppressions")
		if err := os.WriteFile(list, []byte(s.suppressions), 0o600); err != nil {
			t.Fatal(err)
		}
		s.options += list
	}
	return []string{"LD_PRELOAD=" + path, s.options}
}

// again starts this program once more, for the tests of a pattern with another
// library, and returns what it wrote and how it ended.
func again(library, tests string, environment ...string) (string, error) {
	program := exec.Command(os.Args[0], "-test.run="+tests)
	program.Env = append(append(os.Environ(), libraryVariable+"="+library), environment...)
	text, err := program.CombinedOutput()
	return string(text), err
}

// The conformance suite once more with kernels that g++'s sanitizers watch: for
// addresses and undefined behaviour, and for races among the threads of a block
// and among blocks.
func TestSanitizers(t *testing.T) {
	if os.Getenv(libraryVariable) != "" {
		t.Skip("this is the program that a sanitizer watches")
	}
	if !everything() {
		t.Skip("takes minutes: set RPG_TEST_CUDA=all, as .ci/run does")
	}
	for _, c := range []struct {
		sanitizer
		tests string
	}{
		{addresses, "^forward$"},
		{races, "^random$/././^aligned$"},
	} {
		t.Run(c.build.name, func(t *testing.T) {
			if text, err := again(shimLibrary(t, c.build), "^TestConformance$/"+c.tests, c.environment(t)...); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}
