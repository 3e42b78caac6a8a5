package report

import (
	"math"
	"strconv"
	"strings"
)

// none stands where there is nothing to say.
const none = "–"

func percent(x float64) string             { return fixed(100*x, 2) }
func fixed(x float64, decimals int) string { return minus(strconv.FormatFloat(x, 'f', decimals, 64)) }
func optional(x *float64, f func(float64) string) string {
	if x == nil {
		return none
	}
	return f(*x)
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// signed writes a difference with its sign.
func signed(x float64) string {
	text := strconv.FormatFloat(x, 'f', 2, 64)
	if strings.Trim(text, "-0.") == "" {
		return "0.00"
	}
	if x > 0 {
		return "+" + text
	}
	return minus(text)
}

// minus writes the sign as typographers do, and none before zero.
func minus(text string) string {
	digits, negative := strings.CutPrefix(text, "-")
	if !negative || strings.Trim(digits, "0.") == "" {
		return digits
	}
	return "−" + digits
}

// digits writes a number with so many significant digits and, unless it is very
// large or small, no exponent.
func digits(x float64, n int) string {
	if x == 0 {
		return "0"
	}
	e := int(math.Floor(math.Log10(math.Abs(x))))
	if e < -5 || e > 6 {
		return minus(strconv.FormatFloat(x, 'e', n-1, 64))
	}
	return fixed(x, max(0, n-1-e))
}

// ratio writes a distance over the originals' own.
func ratio(x *float64) string {
	switch {
	case x == nil:
		return none
	case *x >= 100:
		return thousands(int(min(math.Round(*x), most)))
	}
	return fixed(*x, 2)
}

// chance writes a p-value.
func chance(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return fixed(p, 3)
}

// thousands writes 10,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > count(n < 0); i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

func lie(n int) string {
	if n == 1 {
		return "lies"
	}
	return "lie"
}
