package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table is rows of cells, the first row the head. Columns are separated by two
// spaces or more, empty cells are written "-", so that awk and cut can read it.
type table [][]string

// write aligns the columns; columns whose cells are all numbers (below the
// head) stand to the right.
func (t table) write(w io.Writer) {
	if len(t) == 0 {
		return
	}
	width := t.widths()
	number := make([]bool, len(t[0]))
	for j := range width {
		text, numbers := false, false
		for i, row := range t {
			if row[j] == "" {
				row[j] = "-"
			}
			_, err := strconv.ParseFloat(strings.ReplaceAll(row[j], ",", ""), 64)
			if i > 0 && row[j] != "-" {
				text, numbers = text || err != nil, numbers || err == nil
			}
		}
		number[j] = numbers && !text
	}
	for _, row := range t {
		var b strings.Builder
		for j, cell := range row {
			pad := strings.Repeat(" ", width[j]-utf8.RuneCountInString(cell))
			if number[j] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
			b.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// widths are the widths of the columns, at least 1.
func (t table) widths() []int {
	width := make([]int, len(t[0]))
	for _, row := range t {
		for j, cell := range row {
			width[j] = max(1, width[j], utf8.RuneCountInString(cell))
		}
	}
	return width
}

// shorten cuts text to n letters, the cut marked.
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	r := []rune(text)
	return string(r[:n-1]) + "…"
}

// count writes 1234567 as 1,234,567.
func count[N int | int64 | uint64](n N) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// several writes 1 tensor, 2 tensors.
func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// tail keeps the last n letters of a name, whose end says more than its
// beginning.
func tail(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	return "…" + string(r[len(r)-n+1:])
}

// dashed makes one word of a few, so that a cell is one column.
func dashed(text string) string { return strings.ReplaceAll(text, " ", "-") }
