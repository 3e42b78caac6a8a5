package onnxio

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// seeds are small models with one of everything that the fuzzer should start from.
func seeds() map[string][]byte {
	return map[string][]byte{
		"raw": modelBytes(in("x", 1, 2), call("Gemm", "x w b", "y", attr("transB", kindInt, num(attrInt, 1))), weight("w", 0, 2, 2), weight("b", 0, 2), out("y", 1, 2)),
		"float_data": modelBytes(in("x", 1, 2), call("MatMul", "x w", "h"), call("Add", "h b", "y"), sub(graphInitializer, tensorOf("w", Float32, []int64{2, 2}, unpacked(1, 2, 3, 4))),
			sub(graphInitializer, tensorOf("b", Float32, []int64{2}, packed(1), packed(2))), out("y", 1, 2)),
		"constants": modelBytes(in("x"), constant("w", 0, 2), ints("s", 1, -1), call("Add", "x w", "h"), call("Reshape", "h s", "y"), out("y")),
		"branch":    modelBytes(in("x"), in("c"), weight("w", 0, 2), call("If", "c", "y", branch("then_branch", weight("v", 0, 2), call("Add", "x w", "a"), call("Mul", "a v", "r"), out("r")), branch("else_branch", call("Relu", "x", "r"), out("r"))), out("y")),
		"function": join(modelBytes(in("x"), call("F", "x", "y", str(nodeDomain, "d")), out("y")), metadata("k", "v"), sub(modelFunctions, str(functionName, "F"), str(functionDomain, "d"), str(functionInput, "a"), str(functionOutput, "b"),
			sub(functionNode, str(nodeInput, "a"), str(nodeOutput, "b"), str(nodeOpType, "Relu")))),
		"sparse": modelBytes(in("x"), out("y"), call("MatMul", "x s", "y"), sub(graphSparse, sub(sparseValues, tensorOf("s", Float16, []int64{1}, num(tensorInt32Data, 1))),
			sub(sparseIndices, tensorOf("", Int64, []int64{1}, num(tensorInt64Data, 3))), num(sparseDims, 2), num(sparseDims, 2))),
	}
}

// FuzzRoundTrip: whatever the bytes are, they are refused with an *Error, or
// they are a model that can be signed, read, given weights as inputs, and
// written back byte for byte.
func FuzzRoundTrip(f *testing.F) {
	for _, data := range seeds() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRoundTrip(t, data) })
}

// TestSeedsAreCommitted holds the seeds in testdata/fuzz against the ones that
// are made here; run with UPDATE_SEEDS=1 to write them.
func TestSeedsAreCommitted(t *testing.T) {
	folder := filepath.Join("testdata", "fuzz", "FuzzRoundTrip")
	for name, data := range seeds() {
		path := filepath.Join(folder, name)
		want := seedFile(data)
		if os.Getenv("UPDATE_SEEDS") == "1" {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what this test makes", path)
		}
		if checkRoundTrip(t, data) != 1 {
			t.Errorf("seed %s is not a model", name)
		}
	}
}

// seedFile is Go's format of a seed of one []byte.
func seedFile(data []byte) []byte {
	return fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data)
}
