package cuda

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libraryName is the file that make cuda makes.
const libraryName = "librpgcuda.so"

// abi is RPG_ABI in rpg.h.
const abi = 3

// embedded holds librpgcuda.so when `make cuda` ran before the build.
//
//go:embed library
var embedded embed.FS

// library is a loaded librpgcuda.so. It is never unloaded.
type library struct {
	name   string // for messages
	handle uintptr
}

// loadLibrary loads the first that is there: $RPG_CUDA_LIB, the embedded
// library, one beside the program, and one in the cache folder.
func loadLibrary() (*library, error) {
	if path := os.Getenv("RPG_CUDA_LIB"); path != "" {
		return dlopen(path, path)
	}
	image, err := embedded.ReadFile("library/" + libraryName)
	if err == nil {
		path, err := memoryFile(libraryName, image)
		if err != nil {
			return nil, fmt.Errorf("cuda: the embedded %s: %w", libraryName, err)
		}
		return dlopen(path, "the embedded "+libraryName)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cuda: the embedded %s: %w", libraryName, err)
	}
	for _, path := range otherPlaces() {
		if _, err := os.Stat(path); err == nil {
			return dlopen(path, path)
		}
	}
	return nil, &MissingError{Reason: NoLibrary}
}

func otherPlaces() []string {
	var places []string
	if program, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(program), libraryName))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "rpg", libraryName))
	}
	return places
}

// dlopen loads the library at path, which messages call name.
func dlopen(path, name string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("cuda: %s cannot be loaded: %w", name, err)
	}
	l := &library{name, handle}
	if _, err := l.symbol("rpg_abi"); err != nil {
		return nil, err
	}
	if found := l.status("rpg_abi"); found != abi {
		return nil, fmt.Errorf("cuda: %s: interface: expected version %d, found %d; build both with make cuda build", name, abi, found)
	}
	return l, nil
}

func (l *library) symbol(function string) (uintptr, error) {
	entry, err := purego.Dlsym(l.handle, function)
	if err != nil {
		return 0, fmt.Errorf("cuda: %s: expected %s, found a library without function %s", l.name, libraryName, function)
	}
	return entry, nil
}

// status calls a function that every library has.
//
//go:uintptrescapes
func (l *library) status(function string, args ...uintptr) int32 {
	entry, err := l.symbol(function)
	if err != nil {
		return -1
	}
	status, _, _ := purego.SyscallN(entry, args...)
	return int32(status)
}

// openHandle makes an rpg_device.
func (l *library) openHandle(ordinal int, bf16 bool) (uintptr, error) {
	runtime.LockOSThread() // the text of a failure is the thread's
	defer runtime.UnlockOSThread()
	var handle uintptr
	rounded := uintptr(0)
	if bf16 {
		rounded = 1
	}
	status := l.status("rpg_open", uintptr(ordinal), rounded, uintptr(unsafe.Pointer(&handle)))
	if status == 0 {
		return handle, nil
	}
	if reason, ok := reasons[status]; ok {
		return 0, &MissingError{Reason: reason, Ordinal: ordinal, Text: l.errorText(0)}
	}
	return 0, fmt.Errorf("cuda: GPU %d: %s", ordinal, l.errorText(0))
}

// errorText is the library's text for the last failure of a device, or with 0 of
// opening one.
func (l *library) errorText(handle uintptr) string {
	entry, err := l.symbol("rpg_error_text")
	if err != nil {
		return err.Error()
	}
	start, _, _ := purego.SyscallN(entry, handle)
	text := make([]byte, 0, 512)
	for len(text) < cap(text) {
		c := *(*byte)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&start)), len(text)))
		if c == 0 {
			break
		}
		text = append(text, c)
	}
	return string(text)
}
