package dataset

import (
	"archive/tar"
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rpg/evaluate/picture"
	"rpg/fixtures"
)

// cifarPicture gives embedded image i as a picture.
func cifarPicture(i int) image.Image {
	row := fixtures.Images()[i*3073+1 : (i+1)*3073]
	m := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for p := range 1024 {
		m.Pix[4*p], m.Pix[4*p+1], m.Pix[4*p+2], m.Pix[4*p+3] = row[p], row[1024+p], row[2048+p], 255
	}
	return m
}

// pngFile gives embedded image i as a PNG file.
func pngFile(t *testing.T, i int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, cifarPicture(i)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegFile(t *testing.T, i int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, cifarPicture(i), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree writes files by name below a new folder.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// archive writes a folder's files to a tar archive, in an order of its own.
func archive(t *testing.T, root string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pictures.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	var names []string
	if err := filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if !entry.IsDir() {
			names = append(names, name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: "./" + filepath.ToSlash(relative), Typeflag: tar.TypeReg, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// exact is a preprocessing that changes nothing but the type.
func exact() *picture.Preprocess {
	p := picture.None()
	return &p
}

// checkImages holds the images of s, all 32x32, against the embedded ones.
func checkImages(t *testing.T, s *Set, want []int) {
	t.Helper()
	if s.Count != len(want) {
		t.Fatalf("%d images, expected %d", s.Count, len(want))
	}
	got := make([]float32, s.Count*s.Pixels())
	if err := s.Fill(got, 0, s.Count); err != nil {
		t.Fatal(err)
	}
	for i, from := range want {
		for p := range 3072 {
			if v := float32(fixtures.Images()[from*3073+1+p]); got[i*3072+p] != v {
				t.Fatalf("image %d (%s), value %d: %g, expected %g of embedded image %d", i, s.ImageName(i), p, got[i*3072+p], v, from)
			}
		}
	}
}

func TestOpenPictures(t *testing.T) {
	p := func(i int) []byte { return pngFile(t, i) }
	synsetFolders := tree(t, map[string][]byte{"n01443537/a.JPEG": p(0), "n01440764/b.png": p(1), "n01443537/sub/c.png": p(2), "n01443537/readme.txt": nil})
	classFolders := tree(t, map[string][]byte{"dog/1.png": p(3), "cat/2.png": p(4), "Zebra/3.png": p(5)})
	flat := tree(t, map[string][]byte{"n01484850_great_white_shark.JPEG": p(6), "n01440764_tench.JPEG": p(7)})
	plain := tree(t, map[string][]byte{"b.png": p(8), "a.png": p(9), "c.png": p(10)})
	text := func(lines string) string {
		return filepath.Join(tree(t, map[string][]byte{"labels.txt": []byte(lines)}), "labels.txt")
	}
	for _, c := range []struct {
		name    string
		o       Options
		want    []int // embedded images
		labels  []uint16
		classes int
		note    string
	}{
		{"folders named by synset", Options{Path: synsetFolders}, []int{1, 0, 2}, []uint16{0, 1, 1}, 1000, "3 pictures of 2 of ImageNet's 1000 classes"},
		{"the same as imagenet", Options{Path: synsetFolders, Kind: "imagenet"}, []int{1, 0, 2}, []uint16{0, 1, 1}, 1000, "1 files that are no pictures"},
		{"an archive of them", Options{Path: archive(t, synsetFolders)}, []int{1, 0, 2}, []uint16{0, 1, 1}, 1000, "3 pictures of 2"},
		{"folders by class", Options{Path: classFolders}, []int{5, 4, 3}, []uint16{0, 1, 2}, 3, ""},
		{"names that start with a synset", Options{Path: flat}, []int{7, 6}, []uint16{0, 2}, 1000, "2 pictures of 2"},
		{"an archive of names", Options{Path: archive(t, flat), Kind: "imagenet"}, []int{7, 6}, []uint16{0, 2}, 1000, ""},
		{"a label for each picture", Options{Path: plain, Labels: text("2\n0\n\n1\n")}, []int{9, 8, 10}, []uint16{2, 0, 1}, 3, ""},
		{"synsets in the order of the names", Options{Path: archive(t, plain), Kind: "imagenet", Labels: text("n01484850\nn01440764\nn15075141\n")}, []int{9, 8, 10}, []uint16{2, 0, 999}, 1000, ""},
		{"names and numbers", Options{Path: plain, Labels: text("c.png 4\nb.png 3\na.png 0\nd.png 1\n"), Classes: 7}, []int{9, 8, 10}, []uint16{0, 3, 4}, 7, ""},
		{"Kaggle's file", Options{Path: plain, Kind: "imagenet", Labels: text("ImageId,PredictionString\na,n01440764 1 2 3 4\nb,n01443537 85 1 499 272 n01443537 3 4 5 6\nc,n01484850 1 1 1 1\n")}, []int{9, 8, 10}, []uint16{0, 1, 2}, 1000, ""},
		{"a subset is spread", Options{Path: classFolders, Subset: 2}, []int{5, 4}, []uint16{0, 1}, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Preprocess, c.o.Shape = exact(), []int{3, 32, 32}
			s, err := Open(t.Context(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.Labels, c.labels) || s.Classes != c.classes || len(s.SHA256) != 64 {
				t.Errorf("labels %v of %d classes, expected %v of %d", s.Labels, s.Classes, c.labels, c.classes)
			}
			if !strings.Contains(strings.Join(s.Notes, "\n"), c.note) {
				t.Errorf("notes %q, expected %q", s.Notes, c.note)
			}
			checkImages(t, s, c.want)
		})
	}
}

func TestOpenPicturesRefused(t *testing.T) {
	p := pngFile(t, 0)
	plain := tree(t, map[string][]byte{"a.png": p, "b.png": p})
	text := func(lines string) string {
		return filepath.Join(tree(t, map[string][]byte{"labels.txt": []byte(lines)}), "labels.txt")
	}
	for _, c := range []struct {
		name string
		o    Options
		say  string
	}{
		{"nothing there", Options{Path: filepath.Join(plain, "none")}, "no such file"},
		{"an empty folder", Options{Path: t.TempDir()}, "expected pictures (.jpg"},
		{"no labels", Options{Path: plain}, "labels: expected a folder for each class"},
		{"too few labels", Options{Path: plain, Labels: text("1\n")}, "expected a line for each of the 2 pictures"},
		{"no label of one picture", Options{Path: plain, Labels: text("a.png 1\n")}, "found none for 1 of 2, the first b.png"},
		{"an empty label file", Options{Path: plain, Labels: text("\n")}, "found an empty file"},
		{"labels of two kinds", Options{Path: plain, Labels: text("a.png 1\n2\n")}, "the same number of columns"},
		{"a label out of range", Options{Path: plain, Labels: text("1\n10\n"), Classes: 10}, "line 2: class: expected 0 to 9, found 10"},
		{"a negative label", Options{Path: plain, Labels: text("-1\n0\n")}, "line 1: class: expected 0 to"},
		{"a label that is no class", Options{Path: plain, Labels: text("cat\ndog\n")}, `line 1: class: expected a number or a synset of ImageNet, found "cat"`},
		{"ImageNet's own numbers", Options{Path: plain, Kind: "imagenet", Labels: text("490\n1000\n")}, "use a list of synsets"},
		{"a folder that is no synset", Options{Path: tree(t, map[string][]byte{"cat/a.png": p}), Kind: "imagenet"}, `folder "cat"`},
		{"a synset of another list", Options{Path: tree(t, map[string][]byte{"n00000000_x.png": p})}, "n00000000_x.png: expected a name that starts with one of ImageNet's 1000 synsets"},
		{"a picture beside the folders", Options{Path: tree(t, map[string][]byte{"cat/a.png": p, "b.png": p})}, "b.png: expected every picture in the folder of its class"},
		{"no archive", Options{Path: filepath.Join(tree(t, map[string][]byte{"x.tar": []byte("this is not an archive, by far not long enough")}), "x.tar")}, "not a tar archive"},
		{"an unknown file", Options{Path: filepath.Join(tree(t, map[string][]byte{"x.csv": p}), "x.csv")}, "expected a folder or .tar"},
		{"an unknown kind", Options{Path: plain, Kind: "mnist"}, `found "mnist"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Open(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("error %v, expected one with %q", err, c.say)
			}
		})
	}
}

// TestBadPictures has one picture that cannot be read, in each way, among others.
func TestBadPictures(t *testing.T) {
	whole := jpegFile(t, 1)
	for _, c := range []struct {
		name string
		data []byte
		say  string
	}{
		{"cut off", whole[:len(whole)-20], "the file ends before the picture does"},
		{"empty", nil, "found an empty file"},
		{"text", []byte("<html>not found</html>"), "expected a JPEG, PNG"},
		{"PNG with a wrong sum", append(bytes.Clone(pngFile(t, 1)[:60]), 1, 2, 3), "PNG: "},
		{"another size", jpegFileOf(t, 8), "size: expected 32x32, since --preprocess none does not resize, found 8x8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := tree(t, map[string][]byte{"a/0.png": pngFile(t, 0), "a/1.jpg": c.data, "b/2.png": pngFile(t, 2)})
			o := Options{Path: root, Preprocess: exact(), Shape: []int{3, 32, 32}}
			s, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]float32, 3*s.Pixels())
			name := filepath.Join(root, "a", "1.jpg")
			if err := s.Fill(out, 0, 3); err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, expected one with %q that names the picture", err, c.say)
			}
			if err := s.Fill(out, 2, 1); err != nil {
				t.Errorf("the others: %v", err)
			}
			o.SkipBad = true
			if s, err = Open(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if err := s.Fill(out, 0, 3); err != nil {
				t.Fatal(err)
			}
			bad := s.Bad()
			if len(bad) != 1 || bad[0].Index != 1 || bad[0].Name != name || !strings.Contains(bad[0].What, c.say) {
				t.Errorf("bad pictures: %v", bad)
			}
			if !s.Skipped(1) || s.Skipped(0) || s.Skipped(2) {
				t.Error("the wrong pictures are skipped")
			}
			if slices.ContainsFunc(out[3072:6144], func(x float32) bool { return x != 0 }) || out[6144] == 0 && out[6145] == 0 {
				t.Error("expected zeros for the bad picture only")
			}
		})
	}
	t.Run("damaged", func(t *testing.T) {
		root := tree(t, map[string][]byte{"a/0.jpg": jpegFile(t, 0), "a/1.jpg": append(bytes.Clone(whole[:len(whole)-2]), 0x12, 0x34, 0xff, 0xd9)})
		s, err := Open(t.Context(), Options{Path: root, Preprocess: exact(), Shape: []int{3, 32, 32}})
		if err != nil {
			t.Fatal(err)
		}
		out := make([]float32, 2*s.Pixels())
		if err := s.Fill(out, 0, 2); err != nil {
			t.Fatal(err)
		}
		if d := s.Damaged(); len(d) != 1 || d[0].Index != 1 || len(s.Bad()) != 0 {
			t.Errorf("damaged: %v, bad: %v", d, s.Bad())
		}
	})
}

func jpegFileOf(t *testing.T, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, side, side)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFingerprint(t *testing.T) {
	files := func() map[string][]byte {
		return map[string][]byte{"cat/1.png": pngFile(t, 0), "dog/2.png": pngFile(t, 1)}
	}
	sum := func(files map[string][]byte, o Options) string {
		o.Path = tree(t, files)
		o.Preprocess, o.Shape = exact(), []int{3, 32, 32}
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s.SHA256
	}
	base := sum(files(), Options{})
	if sum(files(), Options{}) != base {
		t.Error("the same pictures elsewhere have another fingerprint")
	}
	changed := files()
	changed["dog/2.png"] = pngFile(t, 2)
	renamed := files()
	renamed["ape/2.png"] = renamed["dog/2.png"]
	delete(renamed, "dog/2.png")
	for name, other := range map[string]string{
		"another picture": sum(changed, Options{}), "another class": sum(renamed, Options{}), "fewer": sum(files(), Options{Subset: 1}),
	} {
		if other == base {
			t.Errorf("%s: the same fingerprint", name)
		}
	}
}
