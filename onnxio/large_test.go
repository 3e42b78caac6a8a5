package onnxio

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestFarOffset reads and writes a tensor that lies behind 4 GiB of nothing in
// a sparse side file.
func TestFarOffset(t *testing.T) {
	const far = 5 << 30
	dir := put(t, map[string][]byte{"m.onnx": outside(refers("location", "side.bin", "offset", "5368709120"), refers("location", "side.bin", "offset", "5368709128", "length", "8"))})
	f, err := os.Create(filepath.Join(dir, "side.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(floatBytes(1, 2, 3, 4), far); err != nil {
		t.Skipf("no sparse file of 5 GiB here: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	m := openFile(t, filepath.Join(dir, "m.onnx"))
	got := make([]float32, 2)
	if err := m.ReadValues(1, got, 0); err != nil || got[0] != 3 || got[1] != 4 {
		t.Errorf("values %v: %v", got, err)
	}
	dst := filepath.Join(t.TempDir(), "out.onnx")
	if err := Write(dst, m, shifted{m}, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	n := openFile(t, dst)
	if err := n.ReadValues(0, got, 0); err != nil || got[0] != 1001 || got[1] != 1002 {
		t.Errorf("written values %v: %v", got, err)
	}
	if info, err := os.Stat(dst + ".data"); err != nil || info.Size() > 2*pageBytes {
		t.Errorf("the new side file has %v bytes: what no tensor uses was copied (%v)", info.Size(), err)
	}
}

// TestLargeModels plans models of more than 2 GB, whose payloads are nowhere:
// they need a side file, and get one unasked.
func TestLargeModels(t *testing.T) {
	const bytes = 2200 << 20
	body := join(dimsOf(bytes/4), num(tensorDType, int64(Float32)), str(tensorName, "w"))
	body = append(binary.AppendUvarint(body, tensorRawData<<3|wireBytes), binary.AppendUvarint(nil, bytes)...)
	field := append(binary.AppendUvarint(binary.AppendUvarint(nil, graphInitializer<<3|wireBytes), uint64(len(body)+bytes)), body...)
	graph := join(in("x", bytes/4), call("Add", "x w", "y"), out("y", bytes/4), field)
	head := join(num(modelIRVersion, 8), opset("", 17), binary.AppendUvarint(binary.AppendUvarint(nil, modelGraph<<3|wireBytes), uint64(len(graph)+bytes)), graph)
	file := &repeated{head: head, unit: []byte{0}, count: bytes}
	m, err := Parse("large.onnx", file, file.size())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []Values{m, same{m}} {
		p, err := m.plan(v, WriteOptions{}, "large.onnx.data")
		if err != nil || p.side == nil || p.size > 1000 || p.side.size != bytes {
			t.Fatalf("plan %+v: %v", p, err)
		}
	}
	if _, err := m.plan(m, WriteOptions{}, ""); !errors.Is(err, ErrUnsupported) {
		t.Errorf("without a side file: %v", err)
	}
	model, names, err := m.WithWeightsAsInputs()
	if err != nil || len(names) != 1 || len(model) > 1000 {
		t.Errorf("weights as inputs: %d bytes, %v", len(model), err)
	}
}
