package evaluate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rpg/internal/atomicfile"
	"rpg/onnxio"
)

// mostKept is how many scores a folder keeps, each of 27 kB for 10,000 images.
const mostKept = 2000

// kept is a folder of scores, one file for each model that was scored on all
// images, so that a long evaluation continues where it was interrupted. A file's
// name is the SHA-256 of all that the score depends on: see key. What cannot be
// read, or is not what was written, counts as not there.
type kept struct {
	dir    string
	common []byte // the part of every key that is not the model's
}

// newKept gives the folder dir for the scores of an evaluation; nil, which keeps
// nothing, for dir "".
func (o *Options) newKept() (*kept, error) {
	if o.Keep == "" {
		return nil, nil
	}
	// The program itself is a part of the key: a newer one may decode or score
	// otherwise.
	program, err := hashOfProgram()
	if err != nil {
		return nil, err
	}
	d := o.Data
	k := &kept{dir: o.Keep}
	k.common = fmt.Appendf(nil, "%s\n%s\n%s\n%q\n%q\n%d %d %v\n%d %d\n", program, o.Runtime.Provider, o.Runtime.Version,
		d.Preprocess, d.Shift, d.Count, d.Classes, d.Shape, o.Batch, o.Sessions)
	k.common = append(k.common, d.SHA256...)
	for _, label := range d.Labels {
		k.common = binary.LittleEndian.AppendUint16(k.common, label)
	}
	return k, os.MkdirAll(k.dir, 0o755)
}

func hashOfProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// key names the score of the graph of template with the values v: whatever made
// them, equal weights are the same model. It is "" for a graph of which a part of
// the weights was left out by hand, since those are in neither.
func (k *kept) key(template *onnxio.Model, v onnxio.Values) (string, error) {
	if !template.Selection().Empty() {
		return "", nil
	}
	if m, ok := v.(*onnxio.Model); ok && !m.Selection().Empty() {
		return "", nil
	}
	h := sha256.New()
	h.Write(k.common)
	h.Write([]byte(template.Signature()))
	const chunk = 1 << 14
	values, raw := make([]float32, chunk), make([]byte, 0, 4*chunk)
	for i, w := range template.Weights() {
		for off := 0; off < w.Elements; off += chunk {
			part := values[:min(chunk, w.Elements-off)]
			if err := v.ReadValues(i, part, off); err != nil {
				return "", err
			}
			raw = raw[:0]
			for _, x := range part {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			h.Write(raw)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// keptScore is what a file holds, behind a line with the SHA-256 of the rest.
type keptScore struct {
	Predictions []byte `json:"predictions"` // little-endian uint16 for each image
	Top5        int    `json:"top5"`
	Ties        int    `json:"ties"`
	Calibration Calibration
}

// load gives the score of that key if it is there.
func (k *kept) load(key string, labels []uint16) (Score, bool) {
	file, err := os.ReadFile(filepath.Join(k.dir, key))
	if err != nil {
		return Score{}, false
	}
	sum, body, _ := bytes.Cut(file, []byte("\n"))
	var e keptScore
	if want := sha256.Sum256(body); string(sum) != hex.EncodeToString(want[:]) || json.Unmarshal(body, &e) != nil || len(e.Predictions) != 2*len(labels) {
		return Score{}, false
	}
	s := Score{N: len(labels), Top5: e.Top5, Ties: e.Ties, Calibration: e.Calibration, Wrong: NewBitset(len(labels)), Predictions: make([]uint16, len(labels))}
	for i, label := range labels {
		s.Predictions[i] = binary.LittleEndian.Uint16(e.Predictions[2*i:])
		if s.Predictions[i] == label {
			s.Correct++
		} else {
			s.Wrong.Set(i)
		}
	}
	return s, true
}

// save keeps a score.
func (k *kept) save(key string, s *Score) error {
	e := keptScore{Top5: s.Top5, Ties: s.Ties, Calibration: s.Calibration}
	for _, class := range s.Predictions {
		e.Predictions = binary.LittleEndian.AppendUint16(e.Predictions, class)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	return atomicfile.Write(filepath.Join(k.dir, key), true, func(w io.Writer) error {
		_, err := w.Write(append(append([]byte(hex.EncodeToString(sum[:])), '\n'), body...))
		return err
	})
}

// prune removes the scores that were written first, down to most.
func (k *kept) prune(most int) error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	type file struct {
		name string
		time int64
	}
	var files []file
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && len(e.Name()) == 2*sha256.Size {
			files = append(files, file{e.Name(), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		if a.time != b.time {
			return int(min(max(a.time-b.time, -1), 1))
		}
		return strings.Compare(a.name, b.name)
	})
	for _, f := range files[:max(len(files)-most, 0)] {
		if err := os.Remove(filepath.Join(k.dir, f.name)); err != nil {
			return err
		}
	}
	return nil
}

// find takes the scores that are kept and gives the candidates that are left to
// score, of one graph.
func (k *kept) find(ctx context.Context, o *Options, template *onnxio.Model, list []*candidate) (left []*candidate, err error) {
	err = parallel(ctx, o.Threads, len(list), func(i int) (err error) {
		c := list[i]
		if c.key, err = k.key(template, c.values); err != nil {
			return fmt.Errorf("evaluate: %s: %w", c.name, err)
		}
		c.kept = false
		if c.key != "" {
			var s Score
			if s, c.kept = k.load(c.key, o.Data.Labels); c.kept {
				c.score, c.scored = s, true
			}
		}
		return nil
	})
	for _, c := range list {
		if !c.kept {
			left = append(left, c)
		}
	}
	return left, err
}
