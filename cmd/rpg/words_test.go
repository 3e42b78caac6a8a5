package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestArrange(t *testing.T) {
	s := newSession(t.Context(), io.Discard, io.Discard)
	for _, c := range []struct{ name, words, want string }{
		{"as the parser wants it", "train --steps 5 a.onnx", "train --steps=5 -- a.onnx"},
		{"flags last", "train a.onnx b.onnx -o run --steps=5", "train --output=run --steps=5 -- a.onnx b.onnx"},
		{"flags between", "train a.onnx -o run b.onnx -q", "train --output=run --quiet -- a.onnx b.onnx"},
		{"before the command", "-o run --json train a.onnx", "train --output=run --json -- a.onnx"},
		{"a flag of the command before it", "--steps 5 train a.onnx", "train --steps=5 -- a.onnx"},
		{"alias of a command", "gen run -n 3 -o x", "gen --count=3 --output=x -- run"},
		{"one dash", "train -steps 5 a.onnx", "train --steps=5 -- a.onnx"},
		{"a value that looks like a flag", "train a -o -x", "train --output=-x -- a"},
		{"a value with =", "bench --set threads=2", "bench --set=threads=2"},
		{"-- ends flags", "inspect --json -- --odd.onnx -q", "inspect --json -- --odd.onnx -q"},
		{"a dash alone is an argument", "inspect -", "inspect -- -"},
		{"several values", "evaluate n.onnx --against a b c --json", "evaluate --against=a --against=b --against=c --json -- n.onnx"},
		{"several values at the end", "evaluate n.onnx --against a b", "evaluate --against=a --against=b -- n.onnx"},
		{"several values before --", "evaluate --against a b -- n.onnx", "evaluate --against=a --against=b -- n.onnx"},
		{"several values one by one", "evaluate --against=a --against=b n.onnx", "evaluate --against=a --against=b -- n.onnx"},
		{"help for a command", "train -h", "train --help"},
		{"help alone", "-h", "help"},
		{"version alone", "--version --json", "version --json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := arrange(s.app(), append([]string{"rpg"}, strings.Fields(c.words)...))
			if want := append([]string{"rpg"}, strings.Fields(c.want)...); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestArrangeRefuses(t *testing.T) {
	s := newSession(t.Context(), io.Discard, io.Discard)
	for _, c := range []struct{ name, words, want, hint string }{
		{"no command", "--json", "a command is missing", `"rpg help" lists the commands`},
		{"unknown command", "evalaute x", `unknown command "evalaute"`, `did you mean "rpg evaluate"?`},
		{"unknown flag", "train --step 5", "unknown flag --step", `did you mean "--steps"?`},
		{"no value", "train a -o", "-o needs a value", "rpg train -h lists the flags"},
		{"no values", "evaluate a --against --json", "--against needs one value or more", "rpg evaluate -h lists the flags"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := arrange(s.app(), append([]string{"rpg"}, strings.Fields(c.words)...))
			var f *failure
			if !errors.As(err, &f) || f.code != exitUsage || f.Error() != c.want || f.hint != c.hint {
				t.Errorf("got %#v, want %q with hint %q", err, c.want, c.hint)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	names := []string{"train", "generate", "evaluate", "steps", "sample-steps"}
	for _, c := range []struct{ word, want string }{
		{"train", "train"}, {"trian", "train"}, {"trai", "train"}, {"generat", "generate"},
		{"step", "steps"}, {"sample_steps", "sample-steps"}, {"", ""}, {"q", ""}, {"xyzzyxyzzy", ""},
	} {
		if got := nearest(c.word, names); got != c.want {
			t.Errorf("nearest(%q) is %q, want %q", c.word, got, c.want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "ba", 1}, {"abc", "abd", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%q, %q) is %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table{{"NAME", "N", "WHY"}, {"a", "5", ""}, {"longer", "1234", "two words"}}.write(&b)
	want := "NAME       N  WHY\na          5  -\nlonger  1234  two words\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestNumbersInWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1000), "-1,000"}, {count(1234567), "1,234,567"},
		{size(0), "0 B"}, {size(10<<10 - 1), "10239 B"}, {size(10 << 10), "10.0 KiB"}, {size(20 << 20), "20.0 MiB"}, {size(30 << 30), "30.0 GiB"},
		{duration(1.5), "1.5 s"}, {duration(0.0123), "12 ms"}, {work(2.5e6), "2.5 MFLOP"}, {work(4.11e19), "41.1 EFLOP"}, {work(0), "0 MFLOP"}, {duration(600), "10.0 min"}, {duration(36000), "10.0 h"},
		{shorten("abcdef", 6), "abcdef"}, {shorten("abcdefg", 6), "abcde…"}, {tail("abcdefg", 4), "…efg"},
		{quote("a-b/c.onnx"), "a-b/c.onnx"}, {quote("it's"), `'it'\''s'`}, {quote(""), "''"}, {quote("*.onnx"), "'*.onnx'"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestFraction(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		ok   bool
	}{{"", 0, true}, {"0.7", 0.7, true}, {"70", 0.7, true}, {"70%", 0.7, true}, {"1", 1, true}, {"1%", 0.01, true},
		{"101", 0, false}, {"-1", 0, false}, {"NaN", 0, false}, {"x", 0, false}} {
		got, err := fraction("--min-top1", c.text)
		if (err == nil) != c.ok || c.ok && !(got-c.want <= 1e-12 && c.want-got <= 1e-12) {
			t.Errorf("fraction(%q) is %v, %v, want %v, %v", c.text, got, err, c.want, c.ok)
		}
	}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"of a package", errors.New("onnxio: a.onnx: broken"), 1, "rpg: error: a.onnx: broken\n"},
		{"of two packages", errors.New("generator: tokenize: no models"), 1, "rpg: error: no models\n"},
		{"of a verb with a package's name", usagef("do this", "fetch: nothing"), 2, "rpg: error: fetch: nothing\nrpg: hint: do this\n"},
		{"with a hint", withHint(errors.New("evaluate: no"), "do that"), 1, "rpg: error: no\nrpg: hint: do that\n"},
		{"answered no", errNo, 3, ""},
		{"cancelled", fmt.Errorf("fetch: %w", context.Canceled), 130, "rpg: interrupted\n"},
		{"cancelled, with a hint on the way", withHint(context.Canceled, "x"), 130, "rpg: interrupted\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			reportError(&b, c.err, "error:")
			if b.String() != c.want || exitCode(c.err) != c.code {
				t.Errorf("got %q and %d, want %q and %d", b.String(), exitCode(c.err), c.want, c.code)
			}
		})
	}
}
