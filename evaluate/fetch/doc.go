// Package fetch brings what rpg needs and does not ship onto this machine: the
// CIFAR-10 pictures and the library libonnxruntime. It is the only package of
// rpg that touches the network, and only in CIFAR10 and GetRuntime; FindCIFAR10,
// FindRuntime and List look at this machine alone.
//
// Everything lands in one cache folder, $XDG_CACHE_HOME/rpg or ~/.cache/rpg:
//
//	cifar-10/test_batch.bin, data_batch_1.bin .. data_batch_5.bin
//	onnxruntime-1.30.0/libonnxruntime.so.1.30.0
//
// A folder of the cache appears complete and verified, by one rename, or not at
// all: what is being made stands in a folder named .part-* beside it, which is
// removed whatever happens.
//
// Read in this order: fetch.go (the Fetcher and the cache), cifar10.go (the data
// set, from either of two sources), download.go (HTTP), archive.go (one file out
// of a tar or zip), runtime.go (where libonnxruntime is looked for), get.go (how
// it is got) and version.go (which version a library file is, without running
// it).
package fetch
