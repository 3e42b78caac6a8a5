package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a configuration file may be: the parser's time and memory grow with the
// square of the depth of nesting.
const (
	maxConfigBytes = 64 << 10
	maxConfigDepth = 8
)

// readConfig reads the settings in a YAML file, in their order.
func readConfig(path string) ([]setting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, usagef("", "%s: expected a file of settings, found a folder", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	return parseConfig(path, data)
}

// parseConfig reads lines of `key: value`, where a value may be a list. Values
// are taken as they are written, as those of flags are. path stands in errors.
func parseConfig(path string, data []byte) ([]setting, error) {
	const lines = "the file holds lines of `key: value`; keys are flag names without dashes"
	if len(data) > maxConfigBytes {
		return nil, usagef(lines, "%s: expected a file of at most %d bytes, found more", path, maxConfigBytes)
	}
	if !utf8.Valid(data) {
		return nil, usagef(lines, "%s: expected text in UTF-8, found other bytes", path)
	}
	if line := tooDeep(string(data)); line > 0 {
		return nil, usagef("keys are flag names; they are not nested", "%s: line %d: expected a value or a list, found deep nesting", path, line)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, usagef(lines, "%s: not YAML: %s", path, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	var out []setting
	documents := 0
	for _, d := range file.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		if documents++; documents > 1 {
			return nil, usagef("", "%s: line %d: expected one document, found a second", path, lineOf(d.Body))
		}
		var pairs []*ast.MappingValueNode
		switch body := d.Body.(type) {
		case *ast.MappingNode:
			pairs = body.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{body}
		default:
			return nil, usagef(lines, "%s: line %d: not a YAML mapping", path, lineOf(d.Body))
		}
		for _, pair := range pairs {
			s := setting{origin: path}
			var ok bool
			if s.key, ok = scalar(pair.Key); !ok || s.key == "" {
				return nil, usagef(lines, "%s: line %d: expected the name of a setting, found %s", path, lineOf(pair.Key), kindOfNode(pair.Key))
			}
			values := []ast.Node{pair.Value}
			list, isList := pair.Value.(*ast.SequenceNode)
			if isList {
				values, s.list = list.Values, []string{}
			}
			for _, v := range values {
				text, ok := scalar(v)
				if !ok {
					return nil, usagef("keys are flag names; they are not nested", "%s: line %d: %s: expected a value, found %s", path, lineOf(pair.Key), s.key, kindOfNode(v))
				}
				if s.value = text; isList {
					s.list = append(s.list, text)
				}
			}
			if isList {
				s.value = strings.Join(s.list, ",")
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// scalar gives what a value or a key says, as it is written.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kindOfNode says what stands where a value should.
func kindOfNode(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode, nil:
		return "none"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or an alias"
	case *ast.TagNode:
		return "a tag"
	}
	return fmt.Sprintf("%q", n.String())
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1
	}
	return n.GetToken().Position.Line
}

// tooDeep gives the first line on which brackets, or the marks of keys and
// elements in one line, nest deeper than maxConfigDepth; 0 for none.
func tooDeep(text string) int {
	brackets, marks, line := 0, 0, 0
	for _, t := range lexer.Tokenize(text) {
		if t.Position.Line != line {
			marks, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.CollectEntryType:
			marks = 0
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType, token.TagType:
			marks++
		}
		if brackets > maxConfigDepth || marks > maxConfigDepth {
			return line
		}
	}
	return 0
}
