package cuda

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The conformance suite once more with kernels that g++'s sanitizers watch: for
// addresses and undefined behaviour, and for races among the threads of a block
// and among blocks. A sanitizer's own library must be loaded before all else, so
// this program starts itself again.
func TestSanitizers(t *testing.T) {
	if os.Getenv(libraryVariable) != "" {
		t.Skip("this is the program that a sanitizer watches")
	}
	if os.Getenv("RPG_TEST_SANITIZERS") == "" {
		t.Skip("takes minutes: set RPG_TEST_SANITIZERS=1, as .ci/run does")
	}
	for _, c := range []struct {
		build                   build
		preload, options, tests string
	}{
		// Leaks would be Go's; the stacks of fibers are not those that ASan knows.
		{address, "libasan.so", "ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0", "^forward$"},
		// Go moves the caller from one thread to another without TSan's knowledge.
		{threads, "libtsan.so", "TSAN_OPTIONS=halt_on_error=1:suppressions=", "^random$/././^aligned$"},
	} {
		t.Run(c.build.name, func(t *testing.T) {
			lib := shimLibrary(t, c.build)
			if strings.HasSuffix(c.options, "suppressions=") {
				list := filepath.Join(t.TempDir(), "suppressions")
				if err := os.WriteFile(list, []byte("race:^rpg_\nrace:^cuda\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				c.options += list
			}
			// g++ names a library without a folder when it has none.
			preload, err := exec.Command("g++", "-print-file-name="+c.preload).Output()
			path := strings.TrimSpace(string(preload))
			if err != nil || !filepath.IsAbs(path) {
				t.Skipf("g++ has no %s", c.preload)
			}
			again := exec.Command(os.Args[0], "-test.run=^TestConformance$/"+c.tests)
			again.Env = append(os.Environ(), "LD_PRELOAD="+path, c.options, libraryVariable+"="+lib)
			if text, err := again.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}
