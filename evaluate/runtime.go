package evaluate

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
	ort "github.com/yalue/onnxruntime_go"
)

// minAPI is the oldest ONNX Runtime 1.x that the Go binding can speak to.
const minAPI = 24

// A Runtime is an open libonnxruntime. ONNX Runtime has one environment a
// process, so only one Runtime can be open at a time; it may be used by any
// number of goroutines.
type Runtime struct {
	Lib      string // absolute path
	Version  string // such as "1.30.0"
	Provider string // "CPU", or "CUDA" after UseProvider
	GPU      int    // that CUDA computes on, the first is 0; set it before UseProvider
}

// RuntimeError says why libonnxruntime cannot be used.
type RuntimeError struct {
	Lib   string // as asked for
	What  string
	Cause error
}

// Error names the library and what is wrong with it.
func (e *RuntimeError) Error() string {
	if e.Lib == "" {
		return "evaluate: libonnxruntime: " + e.What
	}
	return "evaluate: " + e.Lib + ": " + e.What
}

// Unwrap gives the cause.
func (e *RuntimeError) Unwrap() error { return e.Cause }

// Hint says what to run.
func (e *RuntimeError) Hint() string {
	return fmt.Sprintf("run `rpg fetch onnxruntime`, or set RPG_ORT_LIB to the path of libonnxruntime 1.%d or newer", minAPI)
}

// OpenRuntime loads libonnxruntime from the absolute path lib (evaluate/fetch
// finds one). The error is a *RuntimeError for a library that is missing, is
// something else, or is older than 1.24.
func OpenRuntime(lib string) (*Runtime, error) {
	if lib == "" {
		return nil, &RuntimeError{What: "expected the path of the library, found none"}
	}
	if !filepath.IsAbs(lib) {
		return nil, &RuntimeError{Lib: lib, What: "expected an absolute path of libonnxruntime"}
	}
	if ort.IsInitialized() {
		return nil, &RuntimeError{Lib: lib, What: "another libonnxruntime is open in this process; it must be closed first"}
	}
	version, err := runtimeVersion(lib)
	if err != nil {
		return nil, &RuntimeError{Lib: lib, What: err.Error(), Cause: err}
	}
	if !newEnough(version) {
		return nil, &RuntimeError{Lib: lib, What: fmt.Sprintf("version: expected 1.%d or newer, found %s", minAPI, version)}
	}
	ort.SetSharedLibraryPath(lib)
	// What goes wrong is returned as an error; ONNX Runtime need not print it.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return nil, &RuntimeError{Lib: lib, What: err.Error(), Cause: err}
	}
	r := &Runtime{Lib: lib, Version: version, Provider: providerCPU}
	if err := ort.DisableTelemetry(); err != nil {
		return nil, errors.Join(&RuntimeError{Lib: lib, What: err.Error(), Cause: err}, r.Close())
	}
	return r, nil
}

// Close unloads the library. Every Scorer must be closed before.
func (r *Runtime) Close() error {
	if err := ort.DestroyEnvironment(); err != nil {
		return &RuntimeError{Lib: r.Lib, What: err.Error(), Cause: err}
	}
	return nil
}

// runtimeVersion asks the library itself. It is asked before the binding loads
// it because the binding, given a library that is too old, tells only a number
// and lets the library print to standard error.
func runtimeVersion(lib string) (string, error) {
	handle, err := purego.Dlopen(lib, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	if err != nil {
		return "", fmt.Errorf("cannot be loaded: %w", err)
	}
	// The handle stays open: the binding loads the same library next, and
	// unloading it in between has been seen to crash inside it, once in several
	// hundred starts.
	symbol, err := purego.Dlsym(handle, "OrtGetApiBase")
	if err != nil {
		return "", fmt.Errorf("expected libonnxruntime, found a library without OrtGetApiBase")
	}
	// struct OrtApiBase { const OrtApi* (*GetApi)(uint32_t); const char* (*GetVersionString)(void); }
	var getBase func() *[2]uintptr
	purego.RegisterFunc(&getBase, symbol)
	base := getBase()
	if base == nil || base[1] == 0 {
		return "", errors.New("OrtGetApiBase gives no version")
	}
	var getVersion func() unsafe.Pointer
	purego.RegisterFunc(&getVersion, base[1])
	text := getVersion()
	if text == nil {
		return "", errors.New("OrtGetApiBase gives no version")
	}
	const longest = 64
	version := ""
	for i := range longest {
		b := *(*byte)(unsafe.Add(text, i))
		if b == 0 {
			break
		}
		version += string(rune(b))
	}
	return version, nil
}

// newEnough reads "1.30.0" and the like.
func newEnough(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major > 1 || major == 1 && minor >= minAPI)
}
