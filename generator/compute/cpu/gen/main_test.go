package main

import (
	"bytes"
	"os"
	"testing"
)

func TestAssemblyIsCurrent(t *testing.T) {
	have, err := os.ReadFile("../kernel_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, assembly()) {
		t.Error("kernel_amd64.s is not what gen writes: run go generate in generator/compute/cpu")
	}
}
