// Package picture turns picture files into network input exactly as the Python
// libraries do with which ImageNet models are trained and measured: decoded as
// Pillow decodes, resized with Pillow's antialiased 8-bit filters, cropped with
// torchvision's rounding, normalized.
//
// Read in this order: decode.go (files of many kinds into RGB), filter.go and
// resize.go, preprocess.go (what is done to a picture, by name or from a file)
// and crop.go (all of it for one picture).
package picture
