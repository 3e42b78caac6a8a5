package cuda

import "fmt"

// Reason is why a machine has no device of this package.
type Reason int

const (
	NoLibrary Reason = iota // this build has no librpgcuda.so, and none was found
	NoDriver                // the NVIDIA driver is not there, or older than this build's CUDA
	NoGPU                   // the driver sees no GPU
	NoSuchGPU               // there is no GPU of this number
	GPUTooOld               // its compute capability is below 8.0
)

// String says it in a few words.
func (r Reason) String() string {
	return [...]string{"this build has no CUDA engine", "no NVIDIA driver for CUDA 13.0 or newer", "no NVIDIA GPU",
		"no such GPU", "the GPU is too old"}[r]
}

// reasons are the statuses of rpg_open that say what a machine lacks.
var reasons = map[int32]Reason{35: NoDriver, 100: NoGPU, 101: NoSuchGPU, 10001: GPUTooOld}

// MissingError says what a machine or this build lacks for a CUDA device.
type MissingError struct {
	Reason  Reason
	Ordinal int    // of the GPU that was asked for
	Text    string // what the library says, "" without one
}

func (e *MissingError) Error() string {
	switch e.Reason {
	case NoLibrary:
		return "cuda: this build has no CUDA engine, and no " + libraryName + " was found"
	case NoDriver:
		return "cuda: no NVIDIA driver for CUDA 13.0 or newer: " + e.Text
	case NoGPU:
		return "cuda: no NVIDIA GPU: " + e.Text
	case NoSuchGPU:
		return fmt.Sprintf("cuda: there is no GPU %d: %s", e.Ordinal, e.Text)
	}
	return fmt.Sprintf("cuda: GPU %d is too old: %s", e.Ordinal, e.Text)
}

// Hint is what can be done about it.
func (e *MissingError) Hint() string {
	switch e.Reason {
	case NoLibrary:
		return "run make cuda build, or set RPG_CUDA_LIB to a " + libraryName
	case NoDriver:
		return "install an NVIDIA driver of version 580 or newer"
	case NoGPU:
		return "check that nvidia-smi lists a GPU and that CUDA_VISIBLE_DEVICES does not hide it"
	case NoSuchGPU:
		return "nvidia-smi -L lists the GPUs, the first is 0; CUDA counts like it with CUDA_DEVICE_ORDER=PCI_BUS_ID"
	}
	return "use --device cpu"
}

// MemoryError says that a GPU has no room for an allocation.
type MemoryError struct{ text string }

func (e *MemoryError) Error() string { return e.text }
