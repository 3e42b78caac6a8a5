package cuda

import (
	"os"
	"testing"
)

// TestShimPath writes the path of the host shim's library to the file that
// RPG_TEST_SHIM_PATH names, for the tests of other packages that run it.
func TestShimPath(t *testing.T) {
	answer := os.Getenv("RPG_TEST_SHIM_PATH")
	if answer == "" {
		t.Skip("no other package asks: RPG_TEST_SHIM_PATH is not set")
	}
	if err := os.WriteFile(answer, []byte(shimLibrary(t, plain)), 0o600); err != nil {
		t.Fatal(err)
	}
}
