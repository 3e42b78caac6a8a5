package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"rpg/onnxio/secondreader"
)

// maxShown is how many wrong files are listed.
const maxShown = 50

// counts are the numbers of one folder.
type counts struct {
	files, refused, same                int
	tensors, generated                  int
	read, equal, changed, asNew         int
	agree, differ, notCovered           int
	loads, loadsChanged, lifted, output int
	moved, movedRead, movedOutput       int
	died, slow                          int
}

// report prints the tables and tells whether everything that must be equal is.
func report(out io.Writer, names []string, files []*file, results []*result) bool {
	reasons := map[string]int{}
	kept, lifted, second := map[string]int{}, map[string]int{}, map[string]int{}
	var wrong []string
	columns := make([]counts, len(names))
	for i, f := range files {
		total := &columns[f.folder]
		total.files++
		if f.Refused != "" {
			total.refused++
			reasons[f.Refused]++
			if f.panicked != "" {
				wrong = append(wrong, f.Path+": onnxio panics: "+f.panicked)
			}
			continue
		}
		if f.Same == "" {
			total.same++
		} else {
			wrong = append(wrong, f.Path+": "+f.Same)
		}
		total.tensors += len(f.Tensors)
		total.generated += f.generated
		switch f.second {
		case secondreader.Agrees:
			total.agree++
		case secondreader.Differs:
			total.differ++
			second["differs: "+family(f.reason)]++
			wrong = append(wrong, f.Path+": onnx-go reads it otherwise: "+f.reason)
		default:
			total.notCovered++
			second["not covered: "+family(f.reason)]++
		}
		if f.Kept != "" {
			kept[f.Kept]++
		} else {
			total.changed += f.generated
		}
		if f.Lifted != "" {
			lifted[f.Lifted]++
		}
		if results == nil {
			continue
		}
		wrong = append(wrong, total.add(f, results[i])...)
	}
	printCounts(out, names, columns, results != nil)
	listReasons(out, "Refused", reasons)
	listReasons(out, "Not written with changed weights", kept)
	listReasons(out, "Not given weights as inputs", lifted)
	listReasons(out, "Second reader", second)
	if len(wrong) > 0 {
		fmt.Fprintf(out, "\nWrong:\n\n")
		for i, w := range wrong {
			if i == maxShown {
				fmt.Fprintf(out, "- and %d more\n", len(wrong)-maxShown)
				break
			}
			fmt.Fprintf(out, "- %s\n", w)
		}
	}
	return len(wrong) == 0
}

// printCounts prints a row for each number and a column for each folder, and
// one for all of them if there are several.
func printCounts(out io.Writer, names []string, columns []counts, second bool) {
	fmt.Fprintf(out, "| what | %s |", strings.Join(names, " | "))
	if len(names) > 1 {
		fmt.Fprint(out, " all |")
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---:|", len(names)+min(1, len(names)-1)))
	row := func(what string, number func(c *counts) int) {
		fmt.Fprintf(out, "| %s |", what)
		sum := 0
		for i := range columns {
			n := number(&columns[i])
			sum += n
			fmt.Fprintf(out, " %d |", n)
		}
		if len(names) > 1 {
			fmt.Fprintf(out, " %d |", sum)
		}
		fmt.Fprintln(out)
	}
	row("files", func(c *counts) int { return c.files })
	row("refused by onnxio, with the reason below", func(c *counts) int { return c.refused })
	row("written back with their own values: the same bytes", func(c *counts) int { return c.same })
	row("tensors stored in the files that are read", func(c *counts) int { return c.tensors })
	row("of them weights, which are generated", func(c *counts) int { return c.generated })
	if second {
		row("files that the onnx package reads too", func(c *counts) int { return c.read })
		row("tensors whose type, shape and values both read alike", func(c *counts) int { return c.equal })
		row("weights changed (times 1.001)", func(c *counts) int { return c.changed })
		row("of them read by the onnx package with exactly the expected new values", func(c *counts) int { return c.asNew })
		row("files written with their initializers in a side file", func(c *counts) int { return c.moved })
		row("of them read by the onnx package with the same values", func(c *counts) int { return c.movedRead })
		row("of them run by ONNX Runtime with the same outputs", func(c *counts) int { return c.movedOutput })
		row("files that ONNX Runtime loads", func(c *counts) int { return c.loads })
		row("of them with changed weights, and loaded still", func(c *counts) int { return c.loadsChanged })
		row("of them with weights as inputs, and loaded still", func(c *counts) int { return c.lifted })
		row("of them run on random inputs, with the same outputs", func(c *counts) int { return c.output })
		row("files on which ONNX Runtime ends the process", func(c *counts) int { return c.died })
		row("files on which ONNX Runtime takes too long", func(c *counts) int { return c.slow })
	}
	row("second reader (onnx-go): agrees", func(c *counts) int { return c.agree })
	row("second reader: differs", func(c *counts) int { return c.differ })
	row("second reader: not covered", func(c *counts) int { return c.notCovered })
}

// add counts what the script says about f, and returns what is wrong.
func (c *counts) add(f *file, r *result) []string {
	var wrong []string
	if r.Read == "" {
		c.read++
	} else {
		wrong = append(wrong, f.Path+": the onnx package refuses it: "+r.Read)
	}
	c.equal += r.Equal
	c.asNew += r.New
	if r.Unequal != "" {
		wrong = append(wrong, f.Path+": the onnx package reads it otherwise: "+r.Unequal)
	}
	if f.Moved != "" {
		c.moved++
	}
	switch r.Moved {
	case "equal":
		c.movedRead++
		c.movedOutput++
	case "read":
		c.movedRead++
	case "":
	default:
		wrong = append(wrong, f.Path+": with a side file: "+r.Moved)
	}
	switch r.Loads {
	case "died":
		c.died++
	case "slow":
		c.slow++
	}
	if r.Loads != "yes" {
		return wrong
	}
	c.loads++
	if r.Changed == "yes" {
		c.loadsChanged++
	} else if r.Changed != "" {
		wrong = append(wrong, f.Path+": with changed weights: "+r.Changed)
	}
	switch r.Inputs {
	case "equal", "close":
		c.lifted++
		c.output++
	case "loaded":
		c.lifted++
	case "":
	default:
		wrong = append(wrong, f.Path+": with weights as inputs: "+r.Inputs)
	}
	return wrong
}

// listReasons prints how often each reason was met.
func listReasons(out io.Writer, title string, reasons map[string]int) {
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintf(out, "\n| %s | files |\n|---|---:|\n", title)
	for _, r := range slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		if d := reasons[b] - reasons[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}) {
		fmt.Fprintf(out, "| %s | %d |\n", strings.ReplaceAll(r, "|", "\\|"), reasons[r])
	}
}

// family shortens a reason of the second reader to what many files share.
func family(s string) string {
	for _, cut := range []string{"\"", " (&", " [", " 0x", ": index out", "not implemented"} {
		if i := strings.Index(s, cut); i > 0 {
			s = s[:i]
		}
	}
	return strings.TrimSpace(s)
}
