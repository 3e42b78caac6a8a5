package evaluate

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ebitengine/purego"
	ort "github.com/yalue/onnxruntime_go"
)

// Providers are what UseProvider takes.
func Providers() []string { return []string{"auto", "cpu", "cuda"} }

// The values of Runtime.Provider.
const (
	providerCPU  = "CPU"
	providerCUDA = "CUDA"
)

const cudaDriver = "libcuda.so.1"

// UseProvider chooses what the Scorers made from now on compute with: "cpu",
// "cuda", or "auto", which is CUDA where it can be used. why says what was found.
// For "cuda" it is an error if anything is missing, and names each thing that is.
func (r *Runtime) UseProvider(name string) (why string, err error) {
	r.Provider = providerCPU
	switch name {
	case "cpu":
		return "asked for", nil
	case "auto", "cuda":
	default:
		return "", fmt.Errorf("evaluate: provider: expected one of %s, found %q", strings.Join(Providers(), " "), name)
	}
	if name == "auto" && !loads(cudaDriver) {
		return cudaDriver + ", the NVIDIA driver, is not on this machine", nil // what else is missing does not matter
	}
	missing := missingForCUDA(filepath.Dir(r.Lib))
	if len(missing) == 0 {
		o, err := ort.NewSessionOptions()
		if err == nil {
			err = errors.Join(appendCUDA(o, r.GPU), o.Destroy())
		}
		if err == nil {
			r.Provider = providerCUDA
			return "the CUDA provider and all its libraries can be loaded", nil
		}
		missing = []string{err.Error()}
	}
	why = "CUDA cannot be used: " + strings.Join(missing, "; ")
	if name == "cuda" {
		return "", fmt.Errorf("evaluate: %s: %s; the provider cpu needs none of it", r.Lib, why)
	}
	return why, nil
}

// missingForCUDA names the libraries that the CUDA provider of the
// libonnxruntime in dir needs and that cannot be loaded, one by one: the driver,
// the provider itself, and what its file says it needs.
func missingForCUDA(dir string) []string {
	var missing []string
	if !loads(cudaDriver) {
		missing = append(missing, cudaDriver+" (the NVIDIA driver) cannot be loaded")
	}
	for _, name := range []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, name+" is not beside libonnxruntime (the GPU package of ONNX Runtime has it)")
			continue
		}
		f, err := elf.Open(path)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		needed, err := f.ImportedLibraries()
		if err := errors.Join(err, f.Close()); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", name, err))
		}
		for _, need := range needed {
			if _, err := os.Stat(filepath.Join(dir, need)); err != nil && !loads(need) {
				missing = append(missing, fmt.Sprintf("%s, which %s needs, cannot be loaded", need, name))
			}
		}
	}
	return missing
}

// loads says whether the dynamic linker finds a library. It stays open: the
// provider would load it next.
func loads(name string) bool {
	_, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	return err == nil
}

// appendCUDA makes sessions compute with a GPU, in float32 and not in TF32, whose
// 10 bits would give other figures than the CPU.
func appendCUDA(o *ort.SessionOptions, gpu int) (err error) {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cuda.Destroy()) }()
	if err := cuda.Update(map[string]string{"device_id": strconv.Itoa(gpu), "use_tf32": "0"}); err != nil {
		return err
	}
	return o.AppendExecutionProviderCUDA(cuda)
}
