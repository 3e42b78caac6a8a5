package main

import (
	"bytes"
	"os"
	"testing"
)

func TestAssemblyIsCurrent(t *testing.T) {
	for name, want := range files() {
		have, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not what gen writes: run go generate in generator/compute/cpu", name)
		}
	}
}
