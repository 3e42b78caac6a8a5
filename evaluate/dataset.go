package evaluate

import "rpg/evaluate/dataset"

// A Dataset is what models are scored on; package dataset makes them.
type Dataset = dataset.Set

// OpenCIFAR10 is dataset.OpenCIFAR10.
func OpenCIFAR10(path string) (*Dataset, error) { return dataset.OpenCIFAR10(path) }

// CIFAR10FromBytes is dataset.CIFAR10FromBytes.
func CIFAR10FromBytes(source string, data []byte) (*Dataset, error) {
	return dataset.CIFAR10FromBytes(source, data)
}
