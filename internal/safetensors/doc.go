// Package safetensors writes and reads the safetensors format: an 8-byte
// little-endian header length, a JSON header, then the tensors' bytes without
// gaps (github.com/huggingface/safetensors, section Format of its README).
//
// Read header.go (the format's rules and what is refused), stream.go (Writer
// and Reader, for tensors that do not fit into memory), and safetensors.go
// (Write, Read and Open of whole files of F32).
//
// Tensors are F32, I32 or U8. The same input gives the same bytes. A file that
// breaks a rule of the format is refused with an error of its own, and no
// tensor is read before all places have been checked.
package safetensors
