package tokenize

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"rpg/onnxio"
)

// example gives a tokenizer with every kind of transform that one method has.
func example(t testing.TB, o Options) *Tokenizer {
	t.Helper()
	m := memory{{1, 2, 3, 4, 5.5}, {0.1, 0.1}, {0.5, 0.25, 1}}
	list := tensors(m, onnxio.RoleWeight)
	list[2].Role = onnxio.RoleVariance
	b := newBuilder(o, "m0", testSignature, list)
	if err := b.add(source{"m0", list, m}); err != nil {
		t.Fatal(err)
	}
	tok, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestJSONRoundTrip(t *testing.T) {
	for _, o := range []Options{pooled(4), paper(4)} {
		t.Run(o.Stats, func(t *testing.T) {
			want := example(t, o)
			text, err := want.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(text)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v, wrote %+v", got, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	valid := func(o Options) string {
		text, err := example(t, o).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		compact := strings.NewReplacer("\n", "", " ", "").Replace(string(text))
		return compact
	}
	for _, c := range []struct {
		name     string
		options  Options
		old, new string // the first old in a valid text becomes new
		part     string
	}{
		{"empty", pooled(4), "*", "", "end of JSON"},
		{"not JSON", pooled(4), "*", "GGUF", "invalid character"},
		{"null", pooled(4), "*", "null", "no version"},
		{"list", pooled(4), "*", "[]", "cannot unmarshal array"},
		{"more text", pooled(4), "}]}}", "}]}}{}", "after top-level value"},
		{"cut", pooled(4), "}]}}", "}]}", "end of JSON"},
		{"no version", pooled(4), `"version":1,`, ``, "no version"},
		{"newer version", pooled(4), `"version":1,`, `"version":2,"more":3,`, "version 2, this program reads version 1"},
		{"unknown field", pooled(4), `"version":1`, `"version":1,"more":3`, `unknown field "more"`},
		{"unknown field of statistics", pooled(4), `"std":`, `"median":1,"std":`, `unknown field "median"`},
		{"width 0", pooled(4), `"token_dim":4`, `"token_dim":0`, "token width 0"},
		{"width negative", pooled(4), `"token_dim":4`, `"token_dim":-4`, "token width -4"},
		{"width huge", pooled(4), `"token_dim":4`, `"token_dim":1048577`, "token width 1048577"},
		{"width overflow", pooled(4), `"token_dim":4`, `"token_dim":9223372036854775808`, "9223372036854775808"},
		{"width a fraction", pooled(4), `"token_dim":4`, `"token_dim":4.5`, "4.5"},
		{"granularity", pooled(4), `"granularity":"tensor"`, `"granularity":"flat"`, `granularity "flat"`},
		{"signature short", pooled(4), testSignature, "0123", "64 hexadecimal digits"},
		{"signature odd", pooled(4), testSignature, strings.Repeat("X", 64), "64 hexadecimal digits"},
		{"no weights", pooled(4), `"weights":[`, `"weights":[],"x":[`, "unknown field"},
		{"no role", pooled(4), `"role":"weight"`, `"role":""`, "no role"},
		{"shape 0", pooled(4), `"shape":[5]`, `"shape":[0]`, "shape [0]"},
		{"shape negative", pooled(4), `"shape":[5]`, `"shape":[-1,-5]`, "shape [-1 -5]"},
		{"shape overflow", pooled(4), `"shape":[5]`, `"shape":[4294967296,4294967296,5]`, "at most"},
		{"elements", pooled(4), `"elements":5`, `"elements":6`, "6 elements, shape [5] has 5"},
		{"elements negative", pooled(4), `"elements":5`, `"elements":-5`, "-5 elements"},
		{"tokens", pooled(4), `"tokens":2`, `"tokens":3`, "3 tokens, expected 2"},
		{"tokens negative", pooled(4), `"tokens":2`, `"tokens":-2`, "-2 tokens"},
		{"first", pooled(4), `"first":2`, `"first":3`, "first token 3, expected 2"},
		{"too many values", pooled(3), `"shape":[5],"elements":5,"first":0,"tokens":2`, `"shape":[4398046511104],"elements":4398046511104,"first":0,"tokens":1466015503702`, "more than"},
		{"transform unknown", pooled(4), `"transform":"none"`, `"transform":"exp"`, `transform "exp"`},
		{"transform of another role", pooled(4), `"transform":"none"`, `"transform":"log"`, `role "weight"`},
		{"variance without logarithm", pooled(4), `"transform":"log"`, `"transform":"none"`, "logarithm"},
		{"transform of the other method", pooled(4), `"transform":"log"`, `"transform":"paper-log"`, "center 0"},
		{"constant with tokens", pooled(4), `"transform":"none"`, `"transform":"constant"`, "2 tokens, expected 0"},
		{"method", pooled(4), `"method":"pooled"`, `"method":"best"`, `method "best"`},
		{"method of another transform", paper(4), `"method":"paper"`, `"method":"pooled"`, "does not belong"},
		{"models", pooled(4), `"models":1`, `"models":0`, "0 models"},
		{"statistics missing", pooled(4), `{"mean":0.10000000149011612,"std":0},`, ``, "stats: 2 weights, the layout has 3"},
		{"mean missing", pooled(4), `"mean":3.1,`, ``, "without mean or std"},
		{"std missing", pooled(4), `"std":0}`, `"center":0}`, "without mean or std"},
		{"std 0", pooled(4), `{"mean":3.1,"std":`, `{"mean":3.1,"std":0,"center":`, "std 0, expected a positive"},
		{"std negative", pooled(4), `"mean":3.1,"std":`, `"mean":3.1,"std":-`, "expected a positive"},
		{"mean NaN", pooled(4), `"mean":3.1`, `"mean":NaN`, "invalid character"},
		{"mean overflow", pooled(4), `"mean":3.1`, `"mean":1e999`, "1e999"},
		{"constant not a float32", pooled(4), `"mean":0.10000000149011612`, `"mean":0.1`, "expected a float32"},
		{"constant with a deviation", pooled(4), `"std":0}`, `"std":1}`, "for a constant"},
		{"center without need", pooled(4), `"mean":3.1`, `"center":1,"mean":3.1`, "center 1"},
		{"center negative", paper(4), `"center":`, `"center":-`, "expected a positive"},
		{"center missing", paper(4), `"center":`, `"std":`, "center 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := valid(c.options)
			if c.old == "*" {
				text = c.new
			} else {
				changed := strings.Replace(text, c.old, c.new, 1)
				if changed == text {
					t.Fatalf("%q is not in %s", c.old, text)
				}
				text = changed
			}
			_, err := Parse([]byte(text))
			wantError(t, err, "tokenize: ", c.part)
		})
	}
}

func TestMarshalRefusesWhatParseWould(t *testing.T) {
	tok := example(t, pooled(4))
	tok.Stats.Weights[0].Std = -1
	_, err := tok.Marshal()
	wantError(t, err, "std -1")
}

// FuzzParse holds that whatever Parse accepts is written and read again without
// change, and can be used.
func FuzzParse(f *testing.F) {
	for _, o := range []Options{pooled(4), paper(4), pooled(1)} {
		text, err := json.Marshal(example(f, o)) // without Marshal's spaces
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"layout":{"version":1,"weights":null},"stats":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tok, err := Parse(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "tokenize: ") {
				t.Errorf("error %q without the package's name", err)
			}
			return
		}
		first, err := tok.Marshal()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("written but not read: %v", err)
		}
		second, err := again.Marshal()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written twice, %v:\n%s\n%s", err, first, second)
		}
		L, D := tok.Layout.Tokens(), tok.Layout.TokenDim
		if L*D > 1<<16 {
			return
		}
		total := 0
		for _, n := range tok.Layout.Valid() {
			if n < 1 || int(n) > D {
				t.Fatalf("%d valid values in a token of %d", n, D)
			}
			total += int(n)
		}
		values := tok.Decode(make([]float32, L*D))
		for i, w := range tok.Layout.Weights {
			if w.Constant() {
				continue
			}
			total -= w.Elements
			// Whether the result is finite depends on the numbers; that it
			// does not panic is what is held here.
			_ = values.ReadValues(i, make([]float32, w.Elements), 0)
		}
		if total != 0 {
			t.Fatalf("%d more valid values than elements", total)
		}
	})
}

// TestTheDocumentedExample keeps docs/layout.md true.
func TestTheDocumentedExample(t *testing.T) {
	page, err := os.ReadFile("../docs/layout.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```\n")
	example, _, _ = strings.Cut(example, "```")
	tok, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Layout.Weights[0].Tokens; got != 2 {
		t.Errorf("%d tokens, expected 2", got)
	}
}
