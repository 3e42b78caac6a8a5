package evaluate

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// tableWidth is the most columns that a table takes.
const tableWidth = 100

// WriteTable writes the result for people: one line for each group, what the
// columns mean, and the verdicts. Without originals it is WriteModels.
func (r *Result) WriteTable(w io.Writer) error {
	if r.group(GroupOriginals) == nil {
		return r.WriteModels(w)
	}
	rows := [][]string{{"group", "models", "top-1 %", "min-max", "top-5 %", "max IoU", "differs %", "ratio", "aligned"}}
	var novel [][]string
	for _, g := range r.Groups {
		row := []string{g.Name, fmt.Sprint(g.Count), fmt.Sprintf("%.2f ± %.2f", 100*g.Top1.Mean, 100*g.Top1.Std),
			fmt.Sprintf("%.2f-%.2f", 100*g.Top1.Min, 100*g.Top1.Max), fmt.Sprintf("%.2f", 100*g.Top5.Mean), "-", "-", "-", "-"}
		if g.Similarity != nil {
			row[5] = fmt.Sprintf("%.3f", g.Similarity.Mean)
			row[6] = fmt.Sprintf("%.2f", 100**g.Disagreement)
		}
		for i, d := range []*DistanceResult{g.Distance, g.Aligned} {
			if d != nil && d.Ratio != nil {
				row[7+i] = fmt.Sprintf("%.2f", *d.Ratio)
			}
		}
		rows = append(rows, row)
		if len(g.Novel) > 0 && g.Name != GroupOriginals {
			row := []string{g.Name}
			for _, n := range g.Novel {
				row = append(row, fmt.Sprintf("%.0f", 100*n.Share))
			}
			novel = append(novel, row)
		}
	}
	text := r.heading() + "\n" + columns(rows) + "\n"
	text += wrap("top-1: mean ± standard deviation over the models. max IoU: overlap of wrong predictions with the most alike original, mean over the models. " +
		"differs: images to which a model and its nearest original give different classes. ratio: distance to the nearest original in token space, median, " +
		"over the originals' own; aligned: the same after permutation alignment.")
	if len(novel) > 0 {
		head := []string{fmt.Sprintf("%% with top-1 >= %.2f and at a ratio of", 100*r.Bar)}
		for _, k := range novelRatios() {
			head = append(head, fmt.Sprintf("%g", k))
		}
		text += "\n" + columns(append([][]string{head}, novel...))
	}
	for _, v := range r.Verdicts {
		text += "\n" + wrap(v)
	}
	_, err := io.WriteString(w, text+r.notes())
	return err
}

// WriteModels writes one line for each model that is not a baseline.
func (r *Result) WriteModels(w io.Writer) error {
	rows := [][]string{{"model", "right", "top-1 %", "95 % interval", "top-5 %", "ECE %"}}
	novel, broken := r.group(GroupOriginals) != nil, false
	for _, m := range r.Models {
		broken = broken || m.NaN > 0
	}
	if novel {
		rows[0] = append(rows[0], "max IoU", "L2 nearest")
	}
	if broken {
		rows[0] = append(rows[0], "NaN logits")
	}
	for _, m := range r.Models {
		switch m.Group {
		case GroupModels, GroupOriginals, GroupGenerated:
		default:
			continue
		}
		row := []string{shorten(m.Path, 40), fmt.Sprint(m.Correct), fmt.Sprintf("%.2f", 100*m.Top1),
			fmt.Sprintf("%.2f-%.2f", 100*m.Top1Low, 100*m.Top1High), fmt.Sprintf("%.2f", 100*m.Top5), fmt.Sprintf("%.2f", 100*m.ECE)}
		switch {
		case m.Nearest != nil:
			row = append(row, fmt.Sprintf("%.3f", m.Nearest.IoU), fmt.Sprintf("%.4g", m.Nearest.L2))
		case novel:
			row = append(row, "-", "-")
		}
		if m.NaN == r.Data.Images {
			row[5] = "-"
		}
		if broken {
			row = append(row, fmt.Sprint(m.NaN))
		}
		rows = append(rows, row)
	}
	text := r.heading() + "\n" + columns(rows)
	if r.Paired != nil {
		text += "\n" + wrap(r.Paired.String())
	}
	_, err := io.WriteString(w, text+r.notes())
	return err
}

func (r *Result) heading() string {
	shift := ""
	if r.Data.Shift != "" {
		shift = " with " + r.Data.Shift
	}
	pace := fmt.Sprintf("%.0f images/s", r.ImagesPerS)
	if r.Kept > 0 {
		pace += fmt.Sprintf(", %d of %d models as scored earlier", r.Kept, len(r.Models))
	}
	return fmt.Sprintf("%s%s, %d images, ONNX Runtime %s on %s, %s\n", r.Data.Name, shift, r.Data.Images, r.Runtime, r.Provider, pace)
}

// columns pads the columns: the first to the left, the others, which are numbers,
// to the right.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				b.WriteString(cell + pad)
			default:
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// wrap breaks a sentence into lines no wider than a table.
func wrap(s string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > tableWidth:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteByte('\n')
	return b.String()
}

// shorten keeps the end of a path, which tells models apart, at most n runes.
func shorten(path string, n int) string {
	if utf8.RuneCountInString(path) <= n {
		return path
	}
	short := filepath.Join("…", filepath.Base(path))
	if runes := []rune(short); len(runes) > n {
		return "…" + string(runes[len(runes)-n+1:])
	}
	return short
}
