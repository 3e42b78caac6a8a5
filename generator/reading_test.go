package generator

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/cpu"
	"rpg/internal/safetensors"
)

// readingSizes are elements of tensors around the size of a piece.
var readingSizes = []int{1, pieceElements - 1, 0, pieceElements, pieceElements + 1, 7, 5*pieceElements + 3, 2*pieceElements - 2}

// watched counts what is read of a file and uploaded to a device, which must follow
// each other as readTensors promises.
type watched struct {
	compute.Device
	t       *testing.T
	file    *bytes.Reader
	fails   int64        // the place in the file that cannot be read, 0 for none
	reads   atomic.Int64 // pieces; before the tensors are read, the header's
	uploads atomic.Int64
	over    atomic.Bool
	firsts  []float32 // of each upload of values
}

func (w *watched) ReadAt(b []byte, at int64) (int, error) {
	if w.over.Load() {
		w.t.Error("the file is read after the end")
	}
	if ahead := w.reads.Add(1) - w.uploads.Load(); ahead > 2*readers {
		w.t.Errorf("%d pieces are in memory, want %d at most", ahead, 2*readers)
	}
	if w.fails > 0 && at <= w.fails && w.fails < at+int64(len(b)) {
		return 0, errors.New("a bad sector")
	}
	return w.file.ReadAt(b, at)
}

func (w *watched) Upload(dst compute.Buffer, src []float32) {
	w.uploads.Add(1)
	w.firsts = append(w.firsts, src[0])
	w.Device.Upload(dst, src)
}

func (w *watched) UploadInts(dst compute.Ints, src []int32) {
	w.uploads.Add(1)
	w.Device.UploadInts(dst, src)
}

// readingValue and readingCode are element i of tensor k.
func readingValue(k, i int) float32 { return float32(k<<20 | i) }
func readingCode(k, i int) byte     { return byte(k + i*i) }

// newReading makes a file of tensors of values and of codes in turn, with memory for
// them.
func newReading(t *testing.T, value func(k, i int) float32) (w *watched, f *safetensors.Reader, tensors []stored) {
	t.Helper()
	dev, err := cpu.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	var entries []safetensors.Entry
	for k, n := range readingSizes {
		tensors = append(tensors, storedValues(fmt.Sprint("values", k), dev.Alloc(n)), storedCodes(fmt.Sprint("codes", k), dev.AllocInts((n+3)/4), n))
		entries = append(entries, tensors[2*k].entry, tensors[2*k+1].entry)
	}
	var file bytes.Buffer
	out, err := safetensors.NewWriter(&file, entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, n := range readingSizes {
		values, codes := make([]float32, n), make([]byte, n)
		for i := range n {
			values[i], codes[i] = value(k, i), readingCode(k, i)
		}
		if err := errors.Join(out.WriteF32(values), out.WriteU8(codes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	w = &watched{Device: dev, t: t, file: bytes.NewReader(file.Bytes())}
	if f, err = safetensors.NewReader("x", w, int64(file.Len())); err != nil {
		t.Fatal(err)
	}
	w.reads.Store(0)
	return w, f, tensors
}

// onProcessors does a test on numbers of processors that make one reader, and more.
func onProcessors(t *testing.T, test func(t *testing.T)) {
	for _, n := range []int{1, 2, readers + 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			test(t)
		})
	}
}

// Every tensor gets its elements, piece by piece in the order of the file.
func TestReadTensors(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		w, f, tensors := newReading(t, readingValue)
		if err := readTensors(f, w, tensors, "x"); err != nil {
			t.Fatal(err)
		}
		var firsts []float32
		for k, n := range readingSizes {
			values, words := make([]float32, n), make([]int32, (n+3)/4)
			if err := errors.Join(w.Download(values, tensors[2*k].values), w.DownloadInts(words, tensors[2*k+1].codes)); err != nil {
				t.Fatal(err)
			}
			for i := range 4 * len(words) {
				code := byte(0) // behind the end
				if i < n {
					code = readingCode(k, i)
					if values[i] != readingValue(k, i) {
						t.Fatalf("tensor %d: value %d is %v, want %v", k, i, values[i], readingValue(k, i))
					}
				}
				if got := byte(words[i/4] >> (i % 4 * 8)); got != code {
					t.Fatalf("tensor %d: code %d is %d, want %d", k, i, got, code)
				}
				if i < n && i%pieceElements == 0 {
					firsts = append(firsts, values[i])
				}
			}
		}
		if fmt.Sprint(w.firsts) != fmt.Sprint(firsts) {
			t.Errorf("pieces that begin with %v are uploaded, want %v", w.firsts, firsts)
		}
	})
}

// Of several bad values the first one is reported, and nothing from its piece on is
// uploaded; the same for what cannot be read. Nothing reads on in the background.
func TestReadTensorsFails(t *testing.T) {
	for _, c := range []struct {
		name, says string
		bad        []int // values of tensor 6
		fails      bool  // the last tensor's last byte cannot be read
		uploads    int64
	}{
		{"the first of several", `x: tensor "values6" value 65541 is NaN`, []int{65541, 65542, 3 * pieceElements}, false, 13},
		{"the last value", `x: tensor "values6" value 327682 is NaN`, []int{5*pieceElements + 2}, false, 17},
		{"a bad sector", `tensor "codes7": a bad sector`, nil, true, 27},
	} {
		t.Run(c.name, func(t *testing.T) {
			onProcessors(t, func(t *testing.T) {
				w, f, tensors := newReading(t, func(k, i int) float32 {
					for _, bad := range c.bad {
						if k == 6 && i == bad {
							return float32(math.NaN())
						}
					}
					return readingValue(k, i)
				})
				if c.fails {
					w.fails = w.file.Size() - 1
				}
				err := readTensors(f, w, tensors, "x")
				w.over.Store(true)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want an error that says %q", err, c.says)
				}
				if n := w.uploads.Load(); n != c.uploads {
					t.Errorf("%d pieces are uploaded, want %d", n, c.uploads)
				}
			})
		})
	}
}

// A tensor that is not there is told before anything is uploaded.
func TestReadTensorsMissing(t *testing.T) {
	w, f, tensors := newReading(t, readingValue)
	tensors[9].entry = safetensors.NewEntry("codes4", safetensors.U8, 3)
	err := readTensors(f, w, tensors, "x")
	if err == nil || !strings.Contains(err.Error(), `generator: x: tensor "codes4" of shape [3] is missing or has another shape`) || w.uploads.Load() > 0 {
		t.Errorf("%v, %d uploads", err, w.uploads.Load())
	}
}
