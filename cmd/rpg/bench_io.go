package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/fixtures"
	"rpg/onnxio"
)

func ioFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntSliceFlag{Name: "mb", Usage: "size of a model for io, in `MB`; above 2000 its weights are in a file beside it", Value: cli.NewIntSlice(100)},
		&cli.StringFlag{Name: "work", Usage: "`FOLDER` for the files of io, on the disk to be measured; four times the largest size must be free", Value: os.TempDir()},
	}
}

// benchIO measures files: small ones, and large models of the sizes asked for.
func (s *session) benchIO(c *cli.Context) ([]benchRow, error) {
	for _, mb := range c.IntSlice("mb") {
		if mb < 1 || mb > 1<<20 {
			return nil, usagef("", "--mb: expected 1 to %d, found %d", 1<<20, mb)
		}
	}
	folder, err := os.MkdirTemp(c.String("work"), "rpg-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	rows, err := s.benchSmallFiles(folder)
	if err != nil {
		return nil, err
	}
	for _, mb := range c.IntSlice("mb") {
		more, err := s.benchLargeFile(filepath.Join(folder, fmt.Sprint(mb)), mb)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// benchSmallFiles writes and reads copies of an embedded checkpoint: the cost of
// a file, syncing included, more than that of a byte.
func (s *session) benchSmallFiles(folder string) ([]benchRow, error) {
	model, err := embeddedModel(fixtures.ZooNames()[0])
	if err != nil {
		return nil, err
	}
	const copies = 100
	name := func(i int) string { return filepath.Join(folder, fmt.Sprintf("%d.onnx", i)) }
	var rows []benchRow
	for _, b := range []struct {
		name string
		work func(i int) error
	}{
		{"io write", func(i int) error {
			return onnxio.Write(name(i), model, model, onnxio.WriteOptions{Force: true})
		}},
		{"io read", func(i int) error {
			m, err := onnxio.Open(name(i))
			if err != nil {
				return err
			}
			defer m.Close()
			for j, w := range m.Weights() {
				if err := m.ReadValues(j, make([]float32, w.Elements), 0); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		seconds, err := repeat(5, func() error {
			for i := range copies {
				if err := s.ctx.Err(); err != nil {
					return err
				}
				if err := b.work(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, benchRow{Name: b.name, Shape: fmt.Sprintf("%d x %s", copies, size(model.Info().Bytes)), Value: copies / seconds, Unit: "files/s"})
	}
	return rows, nil
}

// benchLargeFile makes a model of so many megabytes in folder and compares three
// ways to a file with other weights or the same ones, taking turns six times:
// onnxio.Write with all weights new, cp, and cp with the sync that Write does too.
func (s *session) benchLargeFile(folder string, mb int) ([]benchRow, error) {
	if err := os.Mkdir(folder, 0o777); err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	src, dst := filepath.Join(folder, "model.onnx"), filepath.Join(folder, "out.onnx")
	values := newBlockValues()
	template, err := matmulModel(int64(mb)*1e6, values)
	if err != nil {
		return nil, err
	}
	if err := onnxio.Write(src, template, template, onnxio.WriteOptions{}); err != nil {
		return nil, err
	}
	runtime.GC()
	idle := residentMemory()
	var opens []float64
	for range 6 {
		begun := time.Now()
		m, err := onnxio.Open(src)
		if err != nil {
			return nil, err
		}
		m.Signature()
		opens = append(opens, time.Since(begun).Seconds())
		m.Close()
	}
	model, err := onnxio.Open(src)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	var copied, synced, written []float64
	turns := []struct {
		times *[]float64
		dst   string
		work  func(dst string) error
	}{
		{&copied, dst + ".1", func(dst string) error { return s.copyFiles(src, dst, false) }},
		{&synced, dst + ".2", func(dst string) error { return s.copyFiles(src, dst, true) }},
		{&written, dst + ".3", func(dst string) error { return onnxio.Write(dst, model, values, onnxio.WriteOptions{}) }},
	}
	for i := range 7 {
		// Freeing the space of a large file goes on for seconds: all is freed before
		// a round, not before one of its turns.
		for _, turn := range turns {
			if err := removeModel(turn.dst); err != nil {
				return nil, err
			}
		}
		// Each comes first, second and third as often: who is first after that gets
		// memory that was in use a moment ago, which a virtual machine need not ask
		// its host for.
		for j := range turns {
			turn := turns[(i+j)%len(turns)]
			if err := s.ctx.Err(); err != nil {
				return nil, err
			}
			settle() // one turn's bytes do not burden the next one's
			begun := time.Now()
			if err := turn.work(turn.dst); err != nil {
				return nil, err
			}
			if i > 0 { // the first warms up
				*turn.times = append(*turn.times, time.Since(begun).Seconds())
			}
		}
	}
	total := float64(mb)
	shape := fmt.Sprintf("%d MB", mb)
	row := func(name string, times []float64) benchRow {
		return benchRow{Name: name, Shape: shape, Value: total / middle(times), Unit: "MB/s"}
	}
	cp, cpSync, write := row("io cp", copied), row("io cp+sync", synced), row("io rewrite", written)
	share := write.Value / cp.Value
	write.OfPeak = &share
	rows := []benchRow{cp, cpSync, write, {Name: "io open", Shape: shape, Value: 1e3 * middle(opens), Unit: "ms"}}
	if peak := peakMemory(); peak > 0 && idle > 0 {
		rows = append(rows, benchRow{Name: "io memory", Shape: shape, Value: float64(peak-idle) / 1e6, Unit: "MB"})
	}
	return rows, nil
}

// copyFiles copies a model and its side file, if it has one, with cp.
func (s *session) copyFiles(src, dst string, sync bool) error {
	for _, suffix := range []string{"", ".data"} {
		if _, err := os.Stat(src + suffix); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if out, err := exec.CommandContext(s.ctx, "cp", src+suffix, dst+suffix).CombinedOutput(); err != nil {
			return fmt.Errorf("bench: cp: %w: %s", err, out)
		}
		if !sync {
			continue
		}
		f, err := os.OpenFile(dst+suffix, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func removeModel(path string) error {
	for _, p := range []string{path, path + ".data"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
