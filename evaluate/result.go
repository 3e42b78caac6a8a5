package evaluate

import "rpg/evaluate/dataset"

// Schema is the name and version of the JSON object that Result is.
const Schema = "rpg.evaluate/1"

// The names of groups. A noise group is named "noise 0.01", after its size.
const (
	GroupModels    = "models"    // scored without originals to compare with
	GroupOriginals = "originals" // what the generator learned from
	GroupGenerated = "generated" // what it made
	GroupAverage   = "average"   // means of 16 originals
)

// The kinds of zoo.
const (
	OneTrajectory = "one trajectory" // one training run: one network with a little jitter
	Independent   = "independent"    // networks trained from different seeds
)

// Result is everything that Evaluate found. Accuracies are fractions, distances
// are Euclidean in token space, intervals are at 95 %. A pointer is nil where
// there is nothing to say, as without originals.
type Result struct {
	Schema     string        `json:"schema"`
	Data       DataResult    `json:"data"`
	Provider   string        `json:"provider"`
	Runtime    string        `json:"runtime"` // version of ONNX Runtime
	ImagesPerS float64       `json:"images_per_s"`
	Seed       uint64        `json:"seed"` // of the baselines
	Groups     []GroupResult `json:"groups"`
	Models     []ModelResult `json:"models"`
	Zoo        *ZooResult    `json:"zoo"`
	Verdicts   []string      `json:"verdicts"`
}

// DataResult says which images were scored.
type DataResult struct {
	Name       string        `json:"name"`
	Images     int           `json:"images"` // that were scored
	SHA256     string        `json:"sha256"` // of the whole file, also when only its first images were used; of pictures: of those used
	Preprocess string        `json:"preprocess"`
	Notes      []string      `json:"notes,omitempty"`
	Skipped    []dataset.Bad `json:"skipped,omitempty"` // pictures that could not be read
	Damaged    []dataset.Bad `json:"damaged,omitempty"` // pictures scored though their file is damaged
}

// GroupResult sums up the models of one group.
type GroupResult struct {
	Name       string            `json:"name"`
	Count      int               `json:"count"`
	Top1       Summary           `json:"top1"`
	Top5       Summary           `json:"top5"`
	Similarity *SimilarityResult `json:"similarity"`
	Distance   *DistanceResult   `json:"distance"`
}

// SimilarityResult is over the models of a group: each one's highest IoU of
// wrong predictions with an original, itself excluded.
type SimilarityResult struct {
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// DistanceResult is over the models of a group: each one's distance to the
// nearest original, itself excluded. The ratios are over the zoo's
// NearestNeighbour, and nil if that is 0.
type DistanceResult struct {
	Min      float64  `json:"min"`
	Median   float64  `json:"median"`
	MinRatio *float64 `json:"min_ratio"` // Min over NearestNeighbour
	Ratio    *float64 `json:"ratio"`     // Median over NearestNeighbour
}

// ModelResult is what one model did.
type ModelResult struct {
	Path     string         `json:"path"` // of a baseline: how it was made
	Group    string         `json:"group"`
	Correct  int            `json:"correct"` // images, of Data.Images
	Top1     float64        `json:"top1"`
	Top1Low  float64        `json:"top1_low"` // Wilson interval
	Top1High float64        `json:"top1_high"`
	Top5     float64        `json:"top5"`
	Nearest  *NearestResult `json:"nearest"`
}

// NearestResult compares a model with the originals, itself excluded.
type NearestResult struct {
	Path    string  `json:"path"`     // the original at the smallest distance
	L2      float64 `json:"l2"`       // that distance
	IoU     float64 `json:"iou"`      // the highest IoU of wrong predictions with an original
	IoUPath string  `json:"iou_path"` // that original
}

// ZooResult is what the originals are among themselves.
type ZooResult struct {
	Kind             string  `json:"kind"`         // OneTrajectory or Independent
	OriginalIoU      float64 `json:"original_iou"` // mean IoU of wrong predictions over all pairs
	Spread           float64 `json:"spread"`       // the part of the weights' variance that lies between originals, about 0 to 1
	NearestNeighbour float64 `json:"nearest_neighbour"`
	Values           int     `json:"values"` // generated values of a model
}
