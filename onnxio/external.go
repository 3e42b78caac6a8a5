package onnxio

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// locationExternal is the data_location of a tensor whose values are in another file.
const locationExternal = 1

// The keys of external_data.
const (
	keyLocation = "location"
	keyOffset   = "offset"
	keyLength   = "length"
	keyChecksum = "checksum"
)

// entryField is one entry of external_data and the field that holds it.
type entryField struct {
	key, value string
	field      extent
}

// external says where in a side file a tensor's values are: in the bytes of
// Tensor.raw.
type external struct {
	side     *side
	checksum string // SHA-1 in hexadecimal, "" when the model gives none
}

// locate resolves the entries of external_data and holds them against the file
// that they name, before anything of it is read.
func (p *parser) locate(t *Tensor, entries []entryField) error {
	where := func(key string) int64 { // the byte of the file to blame
		for _, e := range entries {
			if e.key == key {
				return e.field.at
			}
		}
		return t.body.at
	}
	fail := func(cause error, key, what, expected, found string) error {
		return p.w.fail(cause, where(key), "external data: "+what, expected, found)
	}
	values := map[string]string{}
	for _, e := range entries {
		if _, twice := values[e.key]; twice {
			return fail(ErrInvalid, e.key, fmt.Sprintf("two entries %q", e.key), "one", "two")
		}
		values[e.key] = e.value
	}
	if t.DType == String {
		return fail(ErrInvalid, "", "strings cannot be stored in another file", "string_data", "external_data")
	}
	location, ok := values[keyLocation]
	if !ok {
		return fail(ErrInvalid, "", "no location", "the name of a file", "none")
	}
	if what := unsafeLocation(location); what != "" {
		return fail(ErrUnsafe, keyLocation, "location "+short(location), "a file in the model's folder or below it", what)
	}
	if p.side == nil {
		return fail(ErrUnsupported, keyLocation, "a model that is not a file has no folder for "+short(location), "the values in the model itself", "a reference to another file")
	}
	s, err := p.side(location)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.File, e.Offset, e.What = p.w.file, where(keyLocation), "external data: "+e.What
		}
		return err
	}
	offset, err := entryNumber(values, keyOffset, 0)
	if err != nil {
		return fail(ErrInvalid, keyOffset, "offset", "a number of bytes from 0 to 2^63-1", short(values[keyOffset]))
	}
	need := t.DType.bytes(t.Elements)
	length, err := entryNumber(values, keyLength, need)
	if err != nil {
		return fail(ErrInvalid, keyLength, "length", "a number of bytes from 0 to 2^63-1", short(values[keyLength]))
	}
	if length != need {
		return fail(ErrInvalid, keyLength, "the length does not match the shape", fmt.Sprintf("%d bytes for %s %s", need, t.DType, shapeText(t.Shape)), fmt.Sprint(length))
	}
	if offset > s.size || length > s.size-offset {
		return fail(ErrTruncated, keyOffset, fmt.Sprintf("it ends after the end of %s", short(location)), fmt.Sprintf("bytes %d to %d", offset, uint64(offset)+uint64(length)), fmt.Sprintf("a file of %d", s.size))
	}
	checksum, has := values[keyChecksum]
	if b, err := hex.DecodeString(checksum); has && checksum != "" && (err != nil || len(b) != sha1.Size) {
		return fail(ErrInvalid, keyChecksum, "checksum", "a SHA-1 of 40 hexadecimal digits", short(checksum))
	}
	t.raw = extent{offset, offset + length}
	t.external = &external{side: s, checksum: strings.ToLower(checksum)}
	return nil
}

// entryNumber reads a decimal number without sign; def when there is none.
func entryNumber(values map[string]string, key string, def int64) (int64, error) {
	s, ok := values[key]
	if !ok {
		return def, nil
	}
	v, err := strconv.ParseUint(s, 10, 63)
	return int64(v), err
}

// shownText is how much of a text of the file goes into messages, which tensors
// keep too: it must not be a way to fill the memory.
const shownText = 80

// short quotes a text of the file for people, cut when it is long.
func short(s string) string {
	if len(s) > shownText {
		return strconv.Quote(s[:shownText]) + "..."
	}
	return strconv.Quote(s)
}

func cut(s string) string {
	if len(s) > shownText {
		return s[:shownText] + "..."
	}
	return s
}

// unsafeLocation says why a location may not be opened, "" when nothing in its
// text speaks against it.
func unsafeLocation(location string) string {
	parts := strings.FieldsFunc(location, func(r rune) bool { return r == '/' || r == '\\' })
	switch {
	case strings.TrimSpace(location) == "":
		return "an empty location"
	case strings.ContainsRune(location, 0):
		return "a zero byte"
	case strings.HasPrefix(location, "*/_ORT_MEM_ADDR_/*"):
		return "an address in the memory of another process"
	case strings.HasPrefix(location, "/"), strings.HasPrefix(location, `\`), filepath.IsAbs(location), filepath.VolumeName(location) != "":
		return "an absolute path"
	case slices.Contains(parts, ".."):
		return `".."`
	case !filepath.IsLocal(filepath.FromSlash(location)):
		return "a path that is not inside"
	}
	return ""
}

// side is a side file with the values of tensors.
type side struct {
	name string // the location in the model
	path string // the same, clean, with the system's separators
	root *os.Root
	file *os.File // nil when it is opened anew for each reading
	info os.FileInfo
	size int64
}

// sides finds the side files of a model that is a file.
type sides struct {
	folder string
	root   *os.Root // nil until a location is met
	model  os.FileInfo
	limits Limits
	all    []*side
	byPath map[string]*side
}

// find opens and checks the side file at a location that unsafeLocation allows.
// Its errors say What without the model's file.
func (d *sides) find(location string) (*side, error) {
	path := filepath.Clean(filepath.FromSlash(location))
	if s := d.byPath[path]; s != nil {
		return s, nil
	}
	if d.root == nil {
		var err error
		if d.root, err = os.OpenRoot(d.folder); err != nil {
			return nil, &Error{What: "the file " + short(location), Expected: "a file in the model's folder", Found: reason(err), Err: err}
		}
	}
	s := &side{name: location, path: path, root: d.root}
	f, info, err := s.open(d.limits)
	if err != nil {
		return nil, err
	}
	if os.SameFile(info, d.model) {
		f.Close()
		return nil, &Error{What: "the file " + short(location), Expected: "a file beside the model", Found: "the model itself", Err: ErrUnsafe}
	}
	s.info, s.size = info, info.Size()
	if len(d.all) < maxOpenSides {
		s.file = f
	} else {
		f.Close()
	}
	d.all = append(d.all, s)
	d.byPath[path] = s
	return s, nil
}

// open opens the side file and looks at what it has opened: a name may mean
// another file a moment after it was looked at, an open file stays what it is.
// The root keeps every part of the path inside the model's folder.
func (s *side) open(l Limits) (*os.File, os.FileInfo, error) {
	fail := func(cause error, expected, found string) error {
		return &Error{What: "the file " + short(s.name), Expected: expected, Found: found, Err: cause}
	}
	named, err := s.root.Lstat(s.path)
	if err != nil {
		return nil, nil, fail(rootCause(err), "a file in the model's folder", reason(err))
	}
	if named.Mode()&os.ModeSymlink != 0 && l.Links {
		if named, err = s.root.Stat(s.path); err != nil {
			return nil, nil, fail(rootCause(err), "a file in the model's folder", reason(err))
		}
	}
	if !named.Mode().IsRegular() {
		return nil, nil, fail(ErrUnsafe, "a regular file", kindOf(named.Mode()))
	}
	f, err := s.root.OpenFile(s.path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, nil, fail(rootCause(err), "a file in the model's folder", reason(err))
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = fail(err, "a regular file", err.Error())
	case !info.Mode().IsRegular() || !os.SameFile(named, info):
		err = fail(ErrChanged, "one file", "another file a moment later")
	case linkCount(info) > 1 && !l.Links:
		err = fail(ErrUnsafe, "a file with one name", fmt.Sprintf("hard links: %d names", linkCount(info)))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// rootCause is the cause to report for an error of os.Root: what leads out of
// the folder is unsafe.
func rootCause(err error) error {
	if strings.Contains(err.Error(), "path escapes from parent") {
		return ErrUnsafe
	}
	return err
}

// reason is a system's error without the path, which the message has already.
func reason(err error) string {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

func kindOf(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&os.ModeSymlink != 0:
		return "a symbolic link"
	case m&os.ModeDevice != 0:
		return "a device"
	case m&os.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "a special file"
}

// ReadAt reads the side file, which must be the file that it was at Open.
func (s *side) ReadAt(b []byte, pos int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(b, pos)
	}
	f, err := s.reopen()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(b, pos)
}

func (s *side) reopen() (*os.File, error) {
	f, err := s.root.OpenFile(s.path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !os.SameFile(info, s.info) || !sameState(info, s.info) {
		f.Close()
		return nil, s.changed(info)
	}
	return f, nil
}

// check is an error when the file is not what it was at Open.
func (s *side) check() error {
	f := s.file
	if f == nil {
		var err error
		if f, err = s.reopen(); err != nil {
			return err
		}
		defer f.Close()
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !sameState(info, s.info) {
		return s.changed(info)
	}
	return nil
}

func (s *side) changed(now os.FileInfo) error {
	return changedError(filepath.Join(s.root.Name(), s.path), s.info, now)
}

func sameState(a, b os.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// changedError is the error of a file that is not what it was at Open.
func changedError(path string, then, now os.FileInfo) error {
	text := func(i os.FileInfo) string {
		if i == nil {
			return "nothing"
		}
		return fmt.Sprintf("%d bytes of %s", i.Size(), i.ModTime().Format("2006-01-02 15:04:05.000"))
	}
	return &Error{File: path, Offset: -1, What: "the file was changed after it was opened", Expected: text(then), Found: text(now), Err: ErrChanged}
}

// close closes the files and the folder.
func (d *sides) close() error {
	if d.root == nil {
		return nil
	}
	var err error
	for _, s := range d.all {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
	}
	return errors.Join(err, d.root.Close())
}

// CheckExternal reads the external data that have a checksum and compares it.
// It returns the number of tensors that were compared. A wrong one is an *Error
// that wraps ErrInvalid.
func (m *Model) CheckExternal() (compared int, err error) {
	for _, t := range m.tensors {
		if t.external == nil || t.external.checksum == "" {
			continue
		}
		sum := sha1.New()
		if _, err := io.Copy(sum, io.NewSectionReader(t.external.side, t.raw.at, t.raw.size())); err != nil {
			return compared, fmt.Errorf("onnxio: %s: tensor %q: %w", m.Path, t.Name, err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != t.external.checksum {
			return compared, &Error{File: m.Path, Where: t.home, Tensor: t.Name, Offset: -1, What: "the checksum of its values in " + short(t.external.side.name),
				Expected: "SHA-1 " + t.external.checksum, Found: got, Err: ErrInvalid}
		}
		compared++
	}
	return compared, nil
}

// SideFiles lists the locations of the model's side files, in order of first use.
func (m *Model) SideFiles() []string {
	var names []string
	if m.sides != nil {
		for _, s := range m.sides.all {
			names = append(names, s.name)
		}
	}
	return names
}
