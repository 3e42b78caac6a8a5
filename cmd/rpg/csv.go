package main

import (
	"encoding/csv"
	"io"
	"strconv"

	"rpg/evaluate"
)

// csvColumns are the columns of --csv: first those of timm's results files
// (huggingface/pytorch-image-models, results/*.csv) in its units, percent and
// millions of parameters, then ours, in fractions and token space as in the JSON.
func csvColumns() []string {
	return []string{"model", "top1", "top1_err", "top5", "top5_err", "param_count", "img_size", "crop_pct", "interpolation",
		"group", "correct", "images", "top1_low", "top1_high", "ece", "ties", "kind", "nearest", "l2", "aligned_nearest", "aligned_l2",
		"mean_l2", "cosine", "disagreement", "mcnemar_p", "most_alike", "iou", "nan"}
}

// writeCSV writes one row for each model. What is not known is empty.
func writeCSV(out io.Writer, r *evaluate.Result) error {
	w := csv.NewWriter(out)
	rows := [][]string{csvColumns()}
	percent := func(x float64) string { return strconv.FormatFloat(100*x, 'f', 4, 64) }
	float := func(x float64) string { return strconv.FormatFloat(x, 'g', 8, 64) }
	known := func(x float64) string {
		if x == 0 {
			return ""
		}
		return float(x)
	}
	for _, m := range r.Models {
		row := []string{m.Path, percent(m.Top1), percent(1 - m.Top1), percent(m.Top5), percent(1 - m.Top5),
			strconv.FormatFloat(float64(m.Params)/1e6, 'f', -1, 64), known(float64(r.Data.ImageSize)), known(r.Data.CropPct), r.Data.Interpolation,
			m.Group, strconv.Itoa(m.Correct), strconv.Itoa(r.Data.Images), float(m.Top1Low), float(m.Top1High),
			float(m.ECE), strconv.Itoa(m.Ties), m.Kind}
		if n := m.Nearest; n != nil {
			row = append(row, n.Path, float(n.L2))
			if n.Aligned != nil {
				row = append(row, n.Aligned.Path, float(n.Aligned.L2))
			} else {
				row = append(row, "", "")
			}
			row = append(row, float(n.MeanL2), float(n.Cosine), float(n.Disagreement), float(n.P), n.IoUPath, float(n.IoU))
		}
		row = append(row, make([]string, len(rows[0])-1-len(row))...)
		rows = append(rows, append(row, strconv.Itoa(m.NaN)))
	}
	return w.WriteAll(rows)
}
