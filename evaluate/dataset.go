package evaluate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The CIFAR-10 binary format: rows of one label byte and three planes, R, G and
// B, of 32x32 bytes in row-major order.
const (
	cifarSide   = 32
	cifarPlane  = cifarSide * cifarSide
	cifarRow    = 1 + 3*cifarPlane
	cifarLabels = 10
)

// A Dataset is labelled images in memory, one byte a channel value, which Fill
// turns into network input. It is not changed after it was made, so any number
// of goroutines may read it.
type Dataset struct {
	Name                    string // "cifar10"
	Source                  string // file, for messages
	Count                   int    // images
	Classes                 int    // labels are 0 .. Classes-1
	Channels, Height, Width int
	SHA256                  string  // of the whole file, in hexadecimal
	Preprocess              string  // what Fill does, in words
	Labels                  []uint8 // [Count]
	rows                    []byte  // Count rows of the binary format
	normalized              [3][256]float32
	mean, std               [3]float32
}

// OpenCIFAR10 reads images in the CIFAR-10 binary format from path, a .bin file
// or a folder that holds test_batch.bin. A file whose length is not a multiple
// of 3073 bytes and a label above 9 are refused, with the offset.
func OpenCIFAR10(path string) (*Dataset, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, "test_batch.bin")
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("evaluate: %s: expected the CIFAR-10 test images in this folder, found no such file", path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return CIFAR10FromBytes(path, data)
}

// CIFAR10FromBytes is OpenCIFAR10 for images in memory. source names them in
// messages. The Dataset keeps data, which must not change from then on.
func CIFAR10FromBytes(source string, data []byte) (*Dataset, error) {
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("evaluate: %s: length: expected rows of %d bytes, found an empty file", source, cifarRow)
	case len(data)%cifarRow != 0:
		whole := len(data) / cifarRow
		return nil, fmt.Errorf("evaluate: %s: offset %d: expected a row of %d bytes (one label, 3072 values), found the file's last %d bytes; it is not in the CIFAR-10 binary format or is cut off",
			source, whole*cifarRow, cifarRow, len(data)-whole*cifarRow)
	}
	d := &Dataset{
		Name: "cifar10", Source: source, Count: len(data) / cifarRow, Classes: cifarLabels,
		Channels: 3, Height: cifarSide, Width: cifarSide, rows: data,
		mean: [3]float32{0.485, 0.456, 0.406}, std: [3]float32{0.229, 0.224, 0.225},
	}
	d.Preprocess = fmt.Sprintf("RGB/255, minus %v, over %v, NCHW 32x32", d.mean, d.std)
	d.Labels = make([]uint8, d.Count)
	for i := range d.Labels {
		label := data[i*cifarRow]
		if label >= cifarLabels {
			return nil, fmt.Errorf("evaluate: %s: offset %d: label of image %d: expected 0 to %d, found %d", source, i*cifarRow, i, cifarLabels-1, label)
		}
		d.Labels[i] = label
	}
	sum := sha256.Sum256(data)
	d.SHA256 = hex.EncodeToString(sum[:])
	// The arithmetic is float32, step by step, as the reference code does it.
	for c := range d.normalized {
		for v := range d.normalized[c] {
			d.normalized[c][v] = (float32(v)/255 - d.mean[c]) / d.std[c]
		}
	}
	return d, nil
}

// First gives the same data set cut to its first n images; n of 0, or of Count
// or more, gives d itself. SHA256 remains that of the whole file.
func (d *Dataset) First(n int) *Dataset {
	if n <= 0 || n >= d.Count {
		return d
	}
	cut := *d
	cut.Count, cut.Labels, cut.rows = n, d.Labels[:n], d.rows[:n*cifarRow]
	return &cut
}

// Pixels is the number of values of one image as network input.
func (d *Dataset) Pixels() int { return d.Channels * d.Height * d.Width }

// Fill writes images first .. first+n-1 as network input, [n, channels, height,
// width] float32, to the start of dst.
func (d *Dataset) Fill(dst []float32, first, n int) {
	for i := range n {
		row := d.rows[(first+i)*cifarRow+1 : (first+i+1)*cifarRow]
		out := dst[i*3*cifarPlane : (i+1)*3*cifarPlane]
		for c := range d.normalized {
			table := &d.normalized[c]
			plane := row[c*cifarPlane : (c+1)*cifarPlane]
			values := out[c*cifarPlane : (c+1)*cifarPlane]
			for p, v := range plane {
				values[p] = table[v]
			}
		}
	}
}
