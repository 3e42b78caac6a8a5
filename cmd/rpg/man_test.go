package main

import (
	"reflect"
	"testing"
)

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
