// Package evaluate scores models on labelled images with ONNX Runtime and tells
// whether they are good and new: accuracy with its interval, how alike two
// models err, how far they lie from each other, and what trivial baselines
// reach.
//
// Read in this order: dataset.go (what is scored on), runtime.go
// (libonnxruntime) and provider.go (CPU or CUDA), session.go, scorer.go, job.go and inference.go (many models over one data set,
// on every core, in the memory there is), scoring.go and kept.go (scores are kept, so
// that an evaluation continues where it was interrupted), statistics.go, calibration.go and paired.go (intervals, confidence, the overlap of wrong
// predictions, tests of two models on the same images), distance.go (distances
// between models, in token space), alignment.go (the same after the channels of all
// were put in one order), baselines.go (models made from the originals without
// learning), novelty.go (where a model lies among the originals), evaluate.go (all
// of it, for a list of models and their originals), stream.go (the same for models that come
// one after the other and are not kept), result.go (the JSON object rpg.evaluate/1), verdict.go (what
// the figures allow to say), notes.go and table.go (the same for people).
//
// Package evaluate/dataset, beside it, reads the images and evaluate/picture
// decodes them; evaluate/fetch gets the data set and the library. Nothing here
// touches the network.
package evaluate
