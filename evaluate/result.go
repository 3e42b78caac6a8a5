package evaluate

import (
	"rpg/evaluate/dataset"
	"rpg/onnxio"
)

// Schema is the name and version of the JSON object that Result is.
const Schema = "rpg.evaluate/1"

// alignedSuffix ends the names of baselines made from aligned originals.
const alignedSuffix = " aligned"

// The names of groups. A noise group is named "noise 0.01", after its size.
// Baselines made after alignment have " aligned" behind their names.
const (
	GroupModels    = "models"    // scored without originals to compare with
	GroupOriginals = "originals" // what the generator learned from
	GroupGenerated = "generated" // what it made
	GroupNearest   = "nearest"   // the originals nearest to these
	GroupAverage   = "average"   // means of 16 originals

	GroupInterpolation = "interpolation" // middles of two originals
	GroupGaussian      = "gaussian"      // each weight normal, by itself
	GroupPCA           = "pca gaussian"  // normal with the originals' covariance
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
	Version    string        `json:"version,omitempty"` // of the program, if the caller says it
	Command    []string      `json:"command,omitempty"` // that asked for it, word by word, if the caller says it
	Data       DataResult    `json:"data"`
	Provider   string        `json:"provider"`
	Runtime    string        `json:"runtime"`      // version of ONNX Runtime
	ImagesPerS float64       `json:"images_per_s"` // of those scored now
	Kept       int           `json:"kept"`         // models whose score is that of an earlier evaluation
	Seed       uint64        `json:"seed"`         // of the baselines
	Groups     []GroupResult `json:"groups"`
	Models     []ModelResult `json:"models"`
	Zoo        *ZooResult    `json:"zoo"`
	Bar        float64       `json:"bar"`    // top-1 from which a model counts as good; 0 without originals
	Paired     *PairedResult `json:"paired"` // of two models that were scored alone
	Notes      []string      `json:"notes,omitempty"`
	Verdicts   []string      `json:"verdicts"`
}

// PairedResult compares two models on the same images.
type PairedResult struct {
	A          string  `json:"a"`
	B          string  `json:"b"`
	OnlyA      int     `json:"only_a"` // images that only A has right
	OnlyB      int     `json:"only_b"`
	Difference float64 `json:"difference"` // top-1 of A less that of B
	P          float64 `json:"mcnemar_p"`  // two-sided, that they are equally accurate
}

// DataResult says which images were scored.
type DataResult struct {
	Name       string `json:"name"`
	Images     int    `json:"images"` // that were scored
	SHA256     string `json:"sha256"` // of the whole file, also when only its first images were used; of pictures: of those used
	Preprocess string `json:"preprocess"`
	Shift      string `json:"shift,omitempty"` // what was done to the pictures, "" for nothing

	// ImageSize, CropPct and Interpolation are as timm says them: the width of the
	// network's input, its part of the resized picture, and how that was resized.
	// They are 0 and "" where there is no such thing.
	ImageSize     int     `json:"img_size,omitempty"`
	CropPct       float64 `json:"crop_pct,omitempty"`
	Interpolation string  `json:"interpolation,omitempty"`

	Notes   []string      `json:"notes,omitempty"`
	Skipped []dataset.Bad `json:"skipped,omitempty"` // pictures that could not be read
	Damaged []dataset.Bad `json:"damaged,omitempty"` // pictures scored though their file is damaged
}

// GroupResult sums up the models of one group.
type GroupResult struct {
	Name       string            `json:"name"`
	Count      int               `json:"count"`
	Top1       Summary           `json:"top1"`
	Top5       Summary           `json:"top5"`
	ECE        Summary           `json:"ece"` // expected calibration error
	Similarity *SimilarityResult `json:"similarity"`
	Distance   *DistanceResult   `json:"distance"`
	Aligned    *DistanceResult   `json:"aligned_distance"` // after permutation alignment
	// Disagreement is the part of the images to which a model and its nearest
	// original give different classes, mean over the models.
	Disagreement *float64      `json:"disagreement"`
	Novel        []NovelResult `json:"novel_and_good"`
	Vote         *VoteResult   `json:"vote"`
}

// SimilarityResult is over the models of a group: each one's highest IoU of
// wrong predictions with an original, itself excluded, and the mean over all pairs.
type SimilarityResult struct {
	Mean   float64  `json:"mean"`
	Max    float64  `json:"max"`
	Pairs  float64  `json:"pairs"`  // mean over all pairs of a model and an original
	Within *float64 `json:"within"` // mean over the pairs of models of the group
}

// NovelResult is the part of a group's models whose top-1 is at least Result.Bar
// and whose distance to the nearest original, after alignment if there is one, is
// at least Ratio times that of the originals themselves.
type NovelResult struct {
	Ratio float64 `json:"ratio"`
	Share float64 `json:"share"`
}

// VoteResult is the majority vote of the first of a group's models, 16 at most.
type VoteResult struct {
	Models int     `json:"models"`
	Top1   float64 `json:"top1"`
	Gain   float64 `json:"gain"` // over the mean of these models
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
	Params   int            `json:"param_count"` // values of all weights but running statistics
	Correct  int            `json:"correct"`     // images, of Data.Images
	Top1     float64        `json:"top1"`
	Top1Low  float64        `json:"top1_low"` // Wilson interval
	Top1High float64        `json:"top1_high"`
	Top5     float64        `json:"top5"`
	Ties     int            `json:"ties"`           // images whose highest logit several classes have; the lowest of them counts
	NaN      int            `json:"nan"`            // images with a NaN among their logits, which count as wrong
	ECE      float64        `json:"ece"`            // expected calibration error, a fraction, without these
	Kind     string         `json:"kind,omitempty"` // of a generated model: KindCopy, ...
	Nearest  *NearestResult `json:"nearest"`
}

// NearestResult compares a model with the originals, itself excluded.
type NearestResult struct {
	Path    string  `json:"path"`     // the original at the smallest distance
	L2      float64 `json:"l2"`       // that distance
	IoU     float64 `json:"iou"`      // the highest IoU of wrong predictions with an original
	IoUPath string  `json:"iou_path"` // that original

	Aligned      *AlignedResult `json:"aligned"`
	MeanL2       float64        `json:"mean_l2"`      // distance to the originals' mean
	Cosine       float64        `json:"cosine"`       // between the ways from the nearest original to the model and to that mean
	Disagreement float64        `json:"disagreement"` // part of the images where it and the nearest original give different classes
	P            float64        `json:"mcnemar_p"`    // that it and the nearest original are equally accurate
}

// AlignedResult is the nearest original after permutation alignment.
type AlignedResult struct {
	Path string  `json:"path"`
	L2   float64 `json:"l2"`
}

// ZooResult is what the originals are among themselves.
type ZooResult struct {
	Kind             string  `json:"kind"`         // OneTrajectory or Independent
	OriginalIoU      float64 `json:"original_iou"` // mean IoU of wrong predictions over all pairs
	Spread           float64 `json:"spread"`       // the part of the weights' variance that lies between originals, about 0 to 1
	NearestNeighbour float64 `json:"nearest_neighbour"`
	Values           int     `json:"values"` // generated values of a model

	Aligned *AlignedZoo `json:"aligned"`
}

// AlignedZoo is what the originals are among themselves after permutation alignment.
type AlignedZoo struct {
	Moved            int     `json:"moved"` // originals whose channels were in another order than the first one's
	Spread           float64 `json:"spread"`
	NearestNeighbour float64 `json:"nearest_neighbour"`
}

// parameters counts the values that training changes by gradients: of all
// weights but the running statistics of normalizations, as timm counts them.
func parameters(m *onnxio.Model) int {
	n := 0
	for _, t := range m.Tensors() {
		switch t.Role {
		case onnxio.RoleConstant, onnxio.RoleMean, onnxio.RoleVariance:
		default:
			n += t.Elements
		}
	}
	return n
}
