package evaluate

import (
	"bytes"
	"io/fs"
	"testing"

	"rpg/evaluate/dataset"
	"rpg/evaluate/fetch"
	"rpg/fixtures"
	"rpg/onnxio"
)

// openTestRuntime opens the libonnxruntime of this machine and closes it when
// the test ends.
func openTestRuntime(t *testing.T) *Runtime {
	t.Helper()
	lib, _, _, err := fetch.FindRuntime()
	if err != nil {
		t.Skip("no libonnxruntime on this machine; `rpg fetch onnxruntime` gets it")
	}
	r, err := OpenRuntime(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// zooBytes gives the file of checkpoint k of the embedded zoo.
func zooBytes(t *testing.T, k int) []byte {
	t.Helper()
	data, err := fs.ReadFile(fixtures.Zoo(), fixtures.ZooNames()[k])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parse opens a model in memory.
func parse(t *testing.T, name string, data []byte) *onnxio.Model {
	t.Helper()
	m, err := onnxio.Parse(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testZoo gives the first n checkpoints of the embedded zoo.
func testZoo(t *testing.T, n int) []*onnxio.Model {
	t.Helper()
	var models []*onnxio.Model
	for k, name := range fixtures.ZooNames()[:n] {
		models = append(models, parse(t, name, zooBytes(t, k)))
	}
	return models
}

// testImages gives the first n embedded images.
func testImages(t *testing.T, n int) *Dataset {
	t.Helper()
	d, err := CIFAR10FromBytes("images", fixtures.Images())
	if err != nil {
		t.Fatal(err)
	}
	return d.First(n)
}

// withValues gives the model m with the values v, in memory.
func withValues(t *testing.T, name string, m *onnxio.Model, v onnxio.Values) *onnxio.Model {
	t.Helper()
	var b bytes.Buffer
	if err := onnxio.WriteTo(&b, m, v, nil); err != nil {
		t.Fatal(err)
	}
	return parse(t, name, b.Bytes())
}

func open(t *testing.T, path string) *onnxio.Model {
	t.Helper()
	m, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// shifted gives d with a shift.
func shifted(t *testing.T, d *Dataset, text string) *Dataset {
	t.Helper()
	shift, err := dataset.ParseShift(text, 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Shifted(shift)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
