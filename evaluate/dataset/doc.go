// Package dataset reads labelled images - CIFAR files, folders and tar archives
// of pictures, ImageNet among them, arrays of numpy - and gives them as network
// input.
//
// Read in this order: set.go (what a data set is), scaling.go (bytes into network
// input), open.go (which data set is meant); then the kinds: cifar.go and rows.go
// (images in memory), arrays.go (numpy), listing.go, labels.go, imagenet.go and
// pictures.go (files that are decoded when they are needed); task.go (binary
// tasks over classes); shift.go (noise, blur and the like); reader.go (decoding ahead, in bounded memory).
package dataset
