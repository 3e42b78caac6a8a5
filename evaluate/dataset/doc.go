// Package dataset reads labelled images - CIFAR files, folders and tar archives
// of pictures, ImageNet, arrays of numpy - and gives them as network input.
//
// Read in this order: set.go (what a data set is), scaling.go (bytes into
// network input), cifar.go.
package dataset
