// Package jpeg decodes JPEG pictures to exactly the bytes that libjpeg-turbo
// gives with its default settings, and so Pillow, torchvision and timm: its
// integer inverse transform ("islow"), its triangle-filter ("fancy") chroma
// upsampling and its colour tables. The standard library's decoder differs in
// all three, which moves pixels by up to tens of levels.
//
// Baseline, extended and progressive Huffman files of 8 bits a sample are
// decoded: grey, YCbCr, RGB, CMYK and YCCK, any whole-numbered subsampling,
// restart intervals. Arithmetic coding, lossless and 12-bit files are refused.
// Of libjpeg's treatment of damaged files this package does the same for data
// that ends early at a marker and for codes that do not exist; block smoothing
// of progressive files that lack scans is not done.
//
// Read in this order: decoder.go (markers), huffman.go (bits and codes), scan.go
// and progressive.go (coefficients), idct.go (samples), upsample.go and color.go
// (pixels).
package jpeg
