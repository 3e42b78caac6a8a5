package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rpg/evaluate/picture"
)

// The CIFAR binary formats: rows of one label byte (CIFAR-10) or two, coarse and
// fine (CIFAR-100), and three planes, R, G and B, of 32x32 bytes in row-major
// order.
const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
)

// A cifar is one of the binary formats.
type cifar struct {
	name    string // of the Set
	test    string // the file of the test images within a folder
	labels  int    // label bytes in a row
	label   int    // the one of them that counts
	classes []int  // how many values each label byte has
}

func (c cifar) row() int { return c.labels + cifarPixels }

var (
	cifar10        = cifar{"cifar10", "test_batch.bin", 1, 0, []int{10}}
	cifar100       = cifar{"cifar100", "test.bin", 2, 1, []int{20, 100}}
	cifar100Coarse = cifar{"cifar100-coarse", "test.bin", 2, 0, []int{20, 100}}
)

// OpenCIFAR10 reads images in the CIFAR-10 binary format from path, a .bin file
// or a folder that holds test_batch.bin. A file whose length is not a multiple
// of 3073 bytes and a label above 9 are refused, with the offset.
func OpenCIFAR10(path string) (*Set, error) { return cifar10.open(path, picture.CIFAR()) }

// CIFAR10FromBytes is OpenCIFAR10 for images in memory. source names them in
// messages. The Set keeps data, which must not change from then on.
func CIFAR10FromBytes(source string, data []byte) (*Set, error) {
	return cifar10.parse(source, data, picture.CIFAR())
}

func (c cifar) open(path string, p picture.Preprocess) (*Set, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, c.test)
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("evaluate: %s: expected the %s test images in this folder, found no such file", path, c.title())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return c.parse(path, data, p)
}

func (c cifar) title() string {
	if c.labels == 1 {
		return "CIFAR-10"
	}
	return "CIFAR-100"
}

func (c cifar) parse(source string, data []byte, p picture.Preprocess) (*Set, error) {
	row := c.row()
	what := "one label"
	if c.labels == 2 {
		what = "two labels"
	}
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("evaluate: %s: length: expected rows of %d bytes, found an empty file", source, row)
	case len(data)%row != 0:
		whole := len(data) / row
		return nil, fmt.Errorf("evaluate: %s: offset %d: expected a row of %d bytes (%s, %d values), found the file's last %d bytes; it is not in the %s binary format or is cut off",
			source, whole*row, row, what, cifarPixels, len(data)-whole*row, c.title())
	}
	s := &Set{Name: c.name, Source: source, Count: len(data) / row, Classes: c.classes[c.label], bad: &badList{}, damaged: &badList{}}
	s.Labels = make([]uint16, s.Count)
	rows := &rows{source: source, channels: 3, height: cifarSide, width: cifarSide}
	for i := range s.Labels {
		at := i * row
		for k, classes := range c.classes {
			if label := int(data[at+k]); label >= classes {
				return nil, fmt.Errorf("evaluate: %s: offset %d: label of image %d: expected 0 to %d, found %d", source, at+k, i, classes-1, label)
			}
		}
		s.Labels[i] = uint16(data[at+c.label])
		rows.images = append(rows.images, data[at+c.labels:at+row])
	}
	sum := sha256.Sum256(data)
	s.SHA256 = hex.EncodeToString(sum[:])
	return s, s.useRows(p, rows)
}
