package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Figures are drawn in units of which the page shows width in a column; style.css
// sets the size of letters so that they can be read at any width of the page.
const width = 480

// An svg is a figure being drawn. Strings from outside pass through escape.
type svg struct {
	b      strings.Builder
	height float64
}

// newSVG begins a figure. id is unique on the page.
func newSVG(id, title, description string, height float64) *svg {
	s := &svg{height: height}
	s.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %s" role="img" aria-labelledby="%s-t %s-d">`, width, num(height), id, id)
	s.add(`<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`, id, escape(title), id, escape(description))
	return s
}

// done is the finished figure.
func (s *svg) done() template.HTML {
	s.add("</svg>")
	return template.HTML(s.b.String())
}

func (s *svg) add(format string, a ...any) { fmt.Fprintf(&s.b, format, a...) }

// open begins a group whose classes are in style.css; close ends it.
func (s *svg) open(class string) { s.add(`<g class="%s">`, class) }
func (s *svg) close()            { s.add("</g>") }

func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	s.add(`<path class="%s" d="M%s %sL%s %s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

// text writes a line of text; anchor is start, middle or end.
func (s *svg) text(class, anchor string, x, y float64, text string) {
	if anchor != "start" {
		class += " " + anchor
	}
	s.add(`<text class="%s" x="%s" y="%s">%s</text>`, class, num(x), num(y), escape(text))
}

// marker draws a point of radius r; name is what a pointer over it tells.
func (s *svg) marker(shape string, x, y, r float64, name string) {
	title := ""
	if name != "" {
		title = "<title>" + escape(name) + "</title>"
	}
	n := func(f float64) string { return num(f * r) }
	d := ""
	switch shape {
	case "circle":
		s.add(`<circle cx="%s" cy="%s" r="%s">%s</circle>`, num(x), num(y), num(r), title)
		return
	case "diamond":
		d = "m0-" + n(1.35) + "l" + n(1.35) + " " + n(1.35) + "-" + n(1.35) + " " + n(1.35) + "-" + n(1.35) + "-" + n(1.35) + "z"
	case "square":
		d = "m-" + n(0.9) + "-" + n(0.9) + "h" + n(1.8) + "v" + n(1.8) + "h-" + n(1.8) + "z"
	case "up":
		d = "m0-" + n(1.2) + "l" + n(1.15) + " " + n(2.1) + "h-" + n(2.3) + "z"
	case "down":
		d = "m0 " + n(1.2) + "l" + n(1.15) + "-" + n(2.1) + "h-" + n(2.3) + "z"
	case "plus":
		d = "m0-" + n(1.3) + "v" + n(2.6) + "m-" + n(1.3) + "-" + n(1.3) + "h" + n(2.6)
	case "cross":
		d = "m-" + n(1) + "-" + n(1) + "l" + n(2) + " " + n(2) + "m0-" + n(2) + "l-" + n(2) + " " + n(2)
	default: // bar
		d = "m0-" + n(1.3) + "v" + n(2.6)
	}
	s.add(`<path d="M%s %s%s">%s</path>`, num(x), num(y), d, title)
}

// num writes a length with a tenth of a unit.
func num(x float64) string {
	x = math.Round(x*10) / 10
	if x == 0 {
		x = 0 // not -0
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// escape makes text from outside safe in XML, but for what Write replaces.
func escape(text string) string { return html.EscapeString(text) }

// allowed replaces what neither HTML nor XML may hold, whatever stands for it.
func allowed(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' || r == 0x7F || r == 0xFFFE || r == 0xFFFF {
		return '\uFFFD'
	}
	return r
}
