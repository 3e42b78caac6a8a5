package cuda

import (
	"os"
	"testing"
)

// lateVariable has the shim do work only when something waits for it.
const lateVariable = "RPG_SHIM_LATE=1"

// Work done as late as a GPU may do it gives the same: the host waits before it uses
// staging memory again and before it reads results.
func TestLate(t *testing.T) {
	if os.Getenv(libraryVariable) != "" {
		t.Skip("this is the program that does its work late")
	}
	tests := "^Test(LongUpload|Record|Garbage|Failures|UploadRounded)"
	if everything() {
		tests += "|^Test(Products|ConvLayer|Training)|^TestConformance$/^forward$"
	} else {
		t.Log("only copies and recording: RPG_TEST_CUDA=all, as in .ci/run, adds operations and training")
	}
	if text, err := again(shimLibrary(t, plain), tests, lateVariable); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
