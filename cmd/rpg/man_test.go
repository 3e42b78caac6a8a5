package main

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestExamplesFit: each example is one line of the manual page in a terminal of 80 columns.
func TestExamplesFit(t *testing.T) {
	for _, v := range newSession(t.Context(), io.Discard, io.Discard).verbs() {
		if v.examples == "" {
			t.Errorf("rpg %s has no example", v.name)
		}
		for line := range strings.SplitSeq(v.examples, "\n") {
			if n := utf8.RuneCountInString(line); n > manWidth {
				t.Errorf("an example of rpg %s has %d letters, want at most %d: %s", v.name, n, manWidth, line)
			}
		}
	}
}

func TestDefinitions(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []definition
	}{
		{"two columns", "  a      what a is,\n         at length\n  bcd    b", []definition{{"a", "what a is, at length"}, {"bcd", "b"}}},
		{"a term of several words", "the names  those", []definition{{"the names", "those"}}},
		{"prose", "It is so,\nand so.", nil},
		{"a command", "    rpg train MODEL... --dry-run", nil},
		{"a column that is not kept", "  a      text\n    b  text", nil},
		{"more than two columns", "  a    text\n         deeper", nil},
	} {
		if got := definitions(c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: found %q, expected %q", c.name, got, c.want)
		}
	}
}
