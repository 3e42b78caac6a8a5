package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// lineWidth is the widest line of a human answer that does not go to a
// terminal.
const lineWidth = 100

// leastWidth is the narrowest terminal that answers are laid out for.
const leastWidth = 60

// width is the widest line of the answer: that of the terminal it goes to, or
// of COLUMNS when that is set.
func (s *session) width() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return max(leastWidth, n)
	}
	if f, ok := s.stdout.(*os.File); ok && s.file == nil && term.IsTerminal(int(f.Fd())) {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return max(leastWidth, n)
		}
	}
	return lineWidth
}

// narrowing is a column that may become narrower, not below least; cut makes a
// cell of it n letters long. A column that the table lacks is -1.
type narrowing struct {
	column, least int
	cut           func(cell string, n int) string
}

// column is the number of the column of this head, -1 when there is none.
func (t table) column(head string) int { return slices.Index(t[0], head) }

// total is the length of the longest line.
func (t table) total() int {
	n := 2 * (len(t[0]) - 1)
	for _, w := range t.widths() {
		n += w
	}
	return n
}

// without takes a column out.
func (t table) without(head string) {
	i := t.column(head)
	for r := range t {
		t[r] = slices.Delete(t[r], i, i+1)
	}
}

// fit cuts cells until the lines of t are at most width letters long, as far
// as that goes: the first column given as far as it may be, then the next.
func (t table) fit(width int, columns ...narrowing) {
	for _, c := range columns {
		if c.column < 0 {
			continue
		}
		over := t.total() - width
		if over <= 0 {
			return
		}
		n := max(c.least, t.widths()[c.column]-over)
		for _, row := range t {
			if utf8.RuneCountInString(row[c.column]) > n {
				row[c.column] = c.cut(row[c.column], n)
			}
		}
	}
}

// paragraph writes text in lines of at most width letters, the first behind
// head and the others below its end. Words that are longer stand by themselves.
func (s *session) paragraph(head, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	room := max(20, s.width()-len(indent))
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			s.printf("%s%s\n", head, line)
			head, line = indent, ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	s.printf("%s%s\n", head, line)
}
