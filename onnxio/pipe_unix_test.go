//go:build unix

package onnxio

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func makePipe(path string) error { return syscall.Mkfifo(path, 0o644) }

// TestExternalDevice has a model beside devices, which nobody but root can put
// beside a model elsewhere.
func TestExternalDevice(t *testing.T) {
	info, err := os.Stat("/dev")
	if err != nil {
		t.Skipf("no devices here: %v", err)
	}
	for _, name := range []string{"zero", "null"} {
		for _, links := range []bool{false, true} {
			d := &sides{folder: "/dev", model: info, limits: Limits{Links: links}.complete(), byPath: map[string]*side{}}
			data := outside(refers("location", name), refers("location", name))
			_, err := parse("test.onnx", bytes.NewReader(data), int64(len(data)), Limits{}, d)
			d.close()
			if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "found a device") || !strings.Contains(err.Error(), `initializer 0 "w"`) {
				t.Errorf("%s, links %v: error %v", name, links, err)
			}
		}
	}
}
