package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rpg/onnxio"
)

// printModel writes a head of a few lines, a table of the tensors, and the
// reasons that the table refers to.
func (s *session) printModel(v inspectedModel) {
	s.printf("%s:\n", v.Path)
	opset := "-" // of the standard operators
	if v.Opset > 0 {
		opset = fmt.Sprint(v.Opset)
	}
	s.paragraph("file        ", fmt.Sprintf("%s, IR %d, opset %s, producer %s", size(v.Bytes), v.IRVersion, opset, orDash(visible(v.Producer, true))))
	if domains := domainsOf(v); domains != "" {
		s.paragraph("operators   ", domains)
	}
	if len(v.SideFiles) > 0 {
		s.paragraph("values in   ", visible(strings.Join(v.SideFiles, " "), true))
	}
	s.printf("signature   %s\n", v.Signature)
	s.printPorts("input       ", v.Inputs)
	s.printPorts("output      ", v.Outputs)
	s.printMetadata(v.Metadata)
	s.printTotals(v)
	t, reasons := inspectTable(v)
	if len(t) == 1 {
		return
	}
	hidden := t.layOut(s.width())
	var text bytes.Buffer
	t.write(&text)
	for line := range strings.Lines(text.String()) {
		s.printf("%s\n", shorten(strings.TrimRight(line, "\n"), s.width()))
	}
	for i, reason := range reasons {
		s.paragraph(fmt.Sprintf("[%d] ", i+1), reason)
	}
	if len(hidden) > 0 {
		s.printf("not shown in %d columns: %s\n", s.width(), strings.Join(hidden, ", "))
	}
}

// layOut makes the table of tensors fit: words are shortened first, then the
// columns that say least are left out; those are returned.
func (t *table) layOut(width int) (hidden []string) {
	steps := func() []narrowing {
		return []narrowing{
			{0, 32, tail}, {t.column("USE"), 14, shortenUse}, {t.column("STORED"), 6, shortenPlace}, {t.column("DTYPE"), 5, shortenType},
			{0, 24, tail}, {t.column("USE"), 10, shortenUse}, {t.column("SHAPE"), 13, shorten}, {0, 18, tail},
		}
	}
	for _, head := range []string{"PAD", "ROLE", "STORED"} {
		trial := make(table, len(*t))
		for i, row := range *t {
			trial[i] = slices.Clone(row)
		}
		trial.fit(width, steps()...)
		if trial.total() <= width {
			break
		}
		if t.column(head) >= 0 {
			t.without(head)
			hidden = append(hidden, head)
		}
	}
	t.fit(width, append(steps(), narrowing{0, 10, tail})...)
	return hidden
}

// shownPorts and shownMetadata bound the lines of the head.
const (
	shownPorts    = 12
	shownMetadata = 16
)

func (s *session) printPorts(head string, ports []inspectedPort) {
	for i, p := range ports {
		if i == shownPorts {
			s.printf("%sand %s more\n", head, count(len(ports)-i))
			return
		}
		text := head + visible(p.Name, false) + " " + p.DType
		if p.Shape != nil {
			text += " " + shapeOf(p.Shape)
		}
		s.printf("%s\n", shorten(text, s.width()))
	}
}

func (s *session) printMetadata(metadata map[string]string) {
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if i == shownMetadata {
			s.printf("metadata    and %s more\n", count(len(metadata)-i))
			return
		}
		text := fmt.Sprintf("metadata    %s = %s", visible(key, true), visible(metadata[key], true))
		s.printf("%s\n", shorten(text, s.width()))
	}
}

// printTotals says how many tensors are stored where, generated and copied.
func (s *session) printTotals(v inspectedModel) {
	if len(v.Tensors) == 0 {
		s.printf("tensors     none stored\n")
		return
	}
	stored := map[string]int{}
	generated, copied, values := 0, 0, 0
	for _, e := range v.Tensors {
		stored[e.Stored]++
		if e.Action == onnxio.ActionGenerate {
			generated++
		} else {
			copied++
			values += e.Elements
		}
	}
	var parts []string
	for _, place := range slices.Sorted(maps.Keys(stored)) {
		parts = append(parts, fmt.Sprintf("%s stored as %s", count(stored[place]), place))
	}
	s.paragraph("tensors     ", strings.Join(parts, ", "))
	if generated > 0 {
		s.paragraph("generated   ", fmt.Sprintf("%s, %s: %s of %d, %.1f %% filled",
			several(generated, "tensor"), several(v.Parameters, "value"), several(v.Tokens.Count, "token"), v.Tokens.Width, 100*v.Tokens.Fill))
	} else {
		s.printf("generated   none\n")
	}
	if copied > 0 {
		s.printf("copied      %s, %s\n", several(copied, "tensor"), several(values, "value"))
	}
}

// inspectTable is a row for each tensor. Columns that would say the same
// everywhere are left out: where tensors are stored when all are initializers,
// tokens when there are none. The reasons that ACTION numbers are returned apart.
func inspectTable(v inspectedModel) (t table, reasons []string) {
	everywhere := !slices.ContainsFunc(v.Tensors, func(e inspectedTensor) bool { return e.Stored != onnxio.StoredInitializer })
	numbers := map[string]int{}
	t = table{{"TENSOR", "DTYPE", "SHAPE", "STORED", "USE", "ROLE", "ACTION", "TOKENS", "PAD"}}
	for _, e := range v.Tensors {
		use, tokens, padding := "", "", ""
		if e.Op != "" {
			use = fmt.Sprintf("%s:%d", visible(e.Op, false), e.Slot)
		}
		role := string(e.Role)
		if e.Role == onnxio.RoleConstant {
			role = "" // ACTION says why
		}
		action := e.Action
		if e.Action == onnxio.ActionGenerate {
			tokens, padding = fmt.Sprint(e.Tokens), fmt.Sprint(e.Padding)
		}
		if e.Reason != "" {
			verb := "copied: "
			if e.Action == onnxio.ActionGenerate {
				verb = "generated: "
			}
			reason := verb + visible(e.Reason, true)
			if e.Stored == onnxio.StoredAttribute { // one line for all of them
				reason = verb + "it is an attribute of a node, not an input (--json says of which)"
			}
			if numbers[reason] == 0 {
				reasons = append(reasons, reason)
				numbers[reason] = len(reasons)
			}
			action += fmt.Sprintf("[%d]", numbers[reason])
		}
		t = append(t, []string{visible(e.Name, false), e.DType, shapeOf(e.Shape), e.Stored, use, role, action, tokens, padding})
	}
	if everywhere {
		t.without("STORED")
	}
	if v.Tokens.Count == 0 {
		t.without("TOKENS")
		t.without("PAD")
	}
	return t, reasons
}

// domainsOf lists the operator sets besides the standard one.
func domainsOf(v inspectedModel) string {
	var parts []string
	for _, o := range v.Opsets {
		if o.Domain != "" {
			parts = append(parts, fmt.Sprintf("%s %d", visible(o.Domain, false), o.Version))
		}
	}
	return strings.Join(parts, ", ")
}

// shapeOf writes a shape without spaces, so that it is one column.
func shapeOf[T any](shape []T) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		if parts[i] = visible(fmt.Sprint(n), false); any(n) == nil {
			parts[i] = "?"
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// visible writes text of a file so that it cannot move the cursor or end a
// line; without spaces it is also one column.
func visible(text string, spaces bool) string {
	plain := func(r rune) bool {
		return unicode.IsPrint(r) && r != utf8.RuneError && (r != ' ' || spaces)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case plain(r):
			b.WriteRune(r)
		case r == ' ':
			b.WriteRune('␣')
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// shortenUse cuts the operator of OPERATOR:SLOT.
func shortenUse(use string, n int) string {
	i := strings.LastIndexByte(use, ':')
	if i < 0 || n < len(use)-i+2 {
		return shorten(use, n)
	}
	return shorten(use[:i], n-(len(use)-i)) + use[i:]
}

// shortenType writes float32 as f32 and the like.
func shortenType(dtype string, n int) string {
	return shorten(strings.NewReplacer("bfloat", "bf", "float", "f", "uint", "u", "int", "i", "complex", "c").Replace(dtype), n)
}

// shortenPlace writes where a tensor is stored in six letters.
func shortenPlace(stored string, n int) string {
	for long, short := range map[string]string{
		onnxio.StoredInitializer: "init", onnxio.StoredConstant: "const", onnxio.StoredExternal: "extern",
		onnxio.StoredAttribute: "attr", onnxio.StoredSubgraph: "sub", onnxio.StoredFunction: "func",
	} {
		if stored == long {
			return short
		}
	}
	return shorten(stored, n)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
