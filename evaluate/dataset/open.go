package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"rpg/evaluate/picture"
	"rpg/evaluate/picture/jpeg"
)

// Kinds are the kinds of data set that Open knows.
func Kinds() []string {
	return []string{"cifar10", "cifar100", "cifar100-coarse", "imagenet", "folder", "npy"}
}

// Options say which data set to open and how. Only Path is needed.
type Options struct {
	Kind    string // of Kinds; "" looks at what is at Path
	Path    string // file or folder
	Labels  string // file of labels, where names and folders do not say them
	Task    string // Set.Task
	Subset  int    // images to keep: the first, or of pictures spread evenly; 0 is all
	SkipBad bool   // leave out pictures that cannot be read instead of failing

	Preprocess *picture.Preprocess // nil is the kind's usual
	Shape      []int               // of one image as the model takes it, -1 where it takes any; nil if unknown
	Classes    int                 // how many the model tells apart, 0 if unknown
}

// preprocess gives what was asked for, or what is usual, with a note.
func (o *Options) preprocess(usual func() picture.Preprocess, s *Set) picture.Preprocess {
	if o.Preprocess != nil {
		return *o.Preprocess
	}
	p := usual()
	s.Notes = append(s.Notes, fmt.Sprintf("--preprocess not given, %s assumed: %v", p.Name, p))
	return p
}

// Open opens a data set. Pictures are only listed and hashed, not decoded.
func Open(ctx context.Context, o Options) (*Set, error) {
	if o.Kind == "" {
		kind, err := kindOf(o.Path)
		if err != nil {
			return nil, err
		}
		o.Kind = kind
	}
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	if o.Task != "" {
		return s.Task(o.Task)
	}
	return s, nil
}

func (o *Options) open(ctx context.Context) (*Set, error) {
	var format cifar
	switch o.Kind {
	case "cifar10":
		format = cifar10
	case "cifar100":
		format = cifar100
	case "cifar100-coarse":
		format = cifar100Coarse
	case "npy":
		s, err := openArrays(*o)
		if err != nil {
			return nil, err
		}
		return s.First(o.Subset), nil
	case "imagenet", "folder":
		return o.openPictures(ctx)
	default:
		return nil, fmt.Errorf("evaluate: kind of data: expected one of %s, found %q", strings.Join(Kinds(), " "), o.Kind)
	}
	p := picture.CIFAR()
	if o.Preprocess != nil {
		p = *o.Preprocess
	}
	height, width := o.size(cifarSide)
	s, err := format.open(o.Path, p.ForModel(height, width))
	if err != nil {
		return nil, err
	}
	return s.First(o.Subset), nil
}

// size is the height and width that the model takes, usual where it takes any.
func (o *Options) size(usual int) (height, width int) {
	height, width = usual, usual
	if len(o.Shape) == 3 && o.Shape[1] > 0 && o.Shape[2] > 0 {
		height, width = o.Shape[1], o.Shape[2]
	}
	return height, width
}

// kindOf tells what is at path.
func kindOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("evaluate: %w", err)
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	}
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case info.IsDir() && has(cifar10.test):
		return "cifar10", nil
	case info.IsDir() && has(cifar100.test):
		return "cifar100", nil
	case info.IsDir(), ext == ".tar":
		return "folder", nil
	case ext == ".npy" || ext == ".npz":
		return "npy", nil
	case ext == ".bin" && info.Size()%int64(cifar10.row()) == 0 && info.Size()%int64(cifar100.row()) != 0:
		return "cifar10", nil
	case ext == ".bin" && info.Size()%int64(cifar100.row()) == 0 && info.Size()%int64(cifar10.row()) != 0:
		return "cifar100", nil
	}
	return "", fmt.Errorf("evaluate: %s: expected a folder or .tar of pictures, a .npy or .npz file, or a CIFAR file in binary format, found none of these; say which it is, as in cifar10:%s", path, path)
}

// openPictures lists, labels and hashes the pictures of a folder or archive.
func (o *Options) openPictures(ctx context.Context) (*Set, error) {
	l, err := list(o.Path)
	if err != nil {
		return nil, err
	}
	labels, err := o.label(l)
	if err != nil {
		l.close()
		return nil, err
	}
	s := &Set{Name: filepath.Base(filepath.Clean(o.Path)), Source: o.Path, Count: len(l.files), Classes: labels.classes,
		Labels: labels.labels, skip: o.SkipBad, bad: &badList{}, damaged: &badList{}}
	if labels.classes == 1000 && (o.Kind == "imagenet" || strings.Contains(labels.how, "synset")) {
		s.Name = "imagenet"
		s.Notes = append(s.Notes, imageNetNotes(labels.labels)...)
	}
	if l.others > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%s: %d files that are no pictures by their names are ignored", o.Path, l.others))
	}
	p := o.preprocess(func() picture.Preprocess {
		p, err := picture.Preset("torchvision")
		if err != nil {
			panic("dataset: no preset torchvision")
		}
		return p
	}, s)
	channels := 3
	if len(o.Shape) == 3 && o.Shape[0] == 1 {
		channels = 1
	}
	p = p.ForModel(o.size(224))
	load := func(w *worker, i int) (*picture.Image, error) {
		data, err := l.read(l.files[i], w.file)
		if err != nil {
			return nil, err
		}
		w.file = data
		return w.decoder.DecodeWindow(data, func(width, height int) jpeg.Window {
			return w.cropper.Window(&p, width, height)
		})
	}
	name := func(i int) string { return o.Path + "/" + l.files[i].name }
	if err := s.usePictures(p, channels, load, name, s.Count); err != nil {
		l.close()
		return nil, err
	}
	if n := o.Subset; n > 0 && n < s.Count {
		spread := make([]int, n)
		for i := range spread {
			spread[i] = i * s.Count / n
		}
		s = s.pick(spread)
	}
	if s.SHA256, err = fingerprint(ctx, l, s); err != nil {
		l.close()
		return nil, err
	}
	return s, nil
}

// label finds out where the labels of the pictures are.
func (o *Options) label(l *listing) (*labelling, error) {
	imageNet := o.Kind == "imagenet"
	classes := o.Classes
	if imageNet {
		classes = 1000
	}
	if o.Labels != "" {
		return byFile(l, o.Labels, classes)
	}
	flat := true
	for _, f := range l.files {
		flat = flat && !strings.Contains(f.name, "/")
	}
	if !flat {
		return byFolder(l, imageNet)
	}
	if _, ok := synsetOf(l.files[0].name); ok {
		return byName(l)
	}
	return nil, fmt.Errorf("evaluate: %s: labels: expected a folder for each class, names that start with a synset of ImageNet, or a file of labels (--labels), found pictures like %s",
		o.Path, l.files[0].name)
}

// fingerprint is the SHA-256 of name, label and SHA-256 of every picture.
func fingerprint(ctx context.Context, l *listing, s *Set) (string, error) {
	sums := make([][sha256.Size]byte, s.Count)
	index := s.images.(*pictures).index
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range min(runtime.GOMAXPROCS(0), s.Count) {
		wg.Go(func() {
			var buffer []byte
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= s.Count {
					return
				}
				data, err := l.read(l.files[index[i]], buffer)
				if err != nil && !s.skip {
					mu.Lock()
					failed = errors.Join(failed, fmt.Errorf("evaluate: %s: %w", s.ImageName(i), err))
					mu.Unlock()
					return
				}
				sums[i] = sha256.Sum256(data)
				buffer = data
			}
		})
	}
	wg.Wait()
	if err := errors.Join(context.Cause(ctx), failed); err != nil {
		return "", err
	}
	hash := sha256.New()
	for i, sum := range sums {
		hash.Write([]byte(l.files[index[i]].name))
		hash.Write(binary.LittleEndian.AppendUint32([]byte{0}, uint32(s.Labels[i])))
		hash.Write(sum[:])
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
