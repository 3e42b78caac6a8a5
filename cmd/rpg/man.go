package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

func (s *session) manVerb() verb {
	return verb{
		name: "man", usage: "print the manual page (roff)",
		examples: "rpg man | man -l -\nrpg man -o ~/.local/share/man/man1/rpg.1",
		run: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			var p manPage
			p.write(s.verbs())
			s.printf("%s", p.text.String())
			return nil
		},
	}
}

// manPage is a manual page in the man macros, which man, groff and mandoc read.
type manPage struct {
	text strings.Builder
	head bool // the last line was a heading
}

func (p *manPage) line(format string, a ...any) {
	fmt.Fprintf(&p.text, format+"\n", a...)
	p.head = strings.HasPrefix(format, ".SH") || strings.HasPrefix(format, ".SS")
}

// paragraph begins one; a heading has done so already.
func (p *manPage) paragraph() {
	if !p.head {
		p.line(".PP")
	}
}

// write writes the whole page.
func (p *manPage) write(verbs []verb) {
	p.line(`.TH RPG 1 "" "rpg %s" "User Commands"`, roff(versionText()))
	p.line(".nh\n.ad l") // words are not divided: flags and paths would read wrong
	p.line(".SH NAME\nrpg \\- learn to generate the weights of ONNX models")
	p.line(".SH SYNOPSIS\n.B rpg\n.I COMMAND\n[\\fIflags\\fR] \\fIARGUMENTS\\fR")
	p.line(".SH DESCRIPTION")
	p.prose("rpg takes trained ONNX models, learns to generate their weights by recurrent diffusion, writes new models " +
		"of the same graph, and scores them. Its verbs for ONNX files (inspect, diff, check, tokenize, detokenize) work on any model of any size.\n\n" +
		"Flags and arguments may stand in any order; -- ends the flags. The answer is on standard output; progress and warnings are on standard error.")
	p.line(".SH COMMANDS")
	for _, v := range verbs {
		p.verb(v)
	}
	p.line(".SH FLAGS OF EVERY COMMAND")
	p.describe(commonFlags(), nil)
	p.line(".SH COMPUTE FLAGS\nOf the commands that calculate:")
	p.describe(computeFlags(), nil)
	for _, t := range topics {
		text, err := topicFiles.ReadFile("topics/" + t.name + ".txt")
		if err != nil {
			panic("rpg: a topic without its file")
		}
		p.line(".SH %s", roff(strings.ToUpper(strings.ReplaceAll(t.name, "-", " "))))
		_, body, _ := strings.Cut(string(text), "\n\n") // below the title
		p.topic(strings.TrimRight(body, "\n"))
	}
	p.line(".SH ENVIRONMENT")
	for _, e := range [][2]string{
		{"RPG_ORT_LIB", "path of libonnxruntime"},
		{"XDG_CACHE_HOME", "data and libraries are kept in its folder rpg; without it in ~/.cache/rpg"},
		{"NO_COLOR", "no colour"},
		{"COLUMNS", "width of tables; without it that of the terminal, or 100"},
	} {
		p.line(".TP\n.B %s\n%s", roff(e[0]), roff(e[1]))
	}
}

// verb writes the section of one command.
func (p *manPage) verb(v verb) {
	p.line(".SS %s", strings.TrimSpace("rpg "+roff(v.name)+" [flags] "+roff(v.arguments)))
	p.prose(sentence(v.usage))
	if v.alias != "" {
		p.prose("Alias: rpg " + v.alias + ".")
	}
	if v.description != "" {
		p.prose(v.description)
	}
	shared := map[string]bool{}
	for _, f := range append(commonFlags(), computeFlags()...) {
		shared[f.Names()[0]] = true
	}
	p.describe(v.flags, shared)
	if v.examples != "" {
		p.paragraph()
		p.line("Examples:")
		p.verbatim(v.examples)
	}
}

// describe lists flags, but those in without.
func (p *manPage) describe(flags []cli.Flag, without map[string]bool) {
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || without[f.Names()[0]] {
			continue
		}
		value, usage := "", d.GetUsage()
		if before, rest, ok := strings.Cut(usage, "`"); ok {
			name, after, _ := strings.Cut(rest, "`")
			value, usage = name, before+name+after
		}
		var names []string
		for _, n := range f.Names() {
			dashes := "--"
			if len(n) == 1 {
				dashes = "-"
			}
			names = append(names, `\fB`+roff(dashes+n)+`\fR`)
		}
		head := strings.Join(names, ", ")
		if d.TakesValue() {
			head += ` \fI` + roff(value) + `\fR`
		}
		if text := d.GetDefaultText(); d.TakesValue() && text != "" && text != `""` {
			usage += " (default " + strings.Trim(text, `"`) + ")"
		}
		p.line(".TP\n%s\n%s", head, roff(usage))
	}
}

// prose writes paragraphs, separated by empty lines.
func (p *manPage) prose(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		p.paragraph()
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.line("%s", roff(line))
		}
	}
}

// topic writes the paragraphs of a topic: definitions as such, others with lines
// that are indented, or made of columns, as they are, and the rest as prose.
func (p *manPage) topic(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if list := definitions(paragraph); list != nil {
			for _, d := range list {
				p.line(".TP\n\\fB%s\\fR\n%s", roff(d.term), roff(d.text))
			}
		} else if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") || strings.Contains(paragraph, "  ") {
			p.verbatim(paragraph)
		} else {
			p.prose(paragraph)
		}
	}
}

// definition is a term and what it means.
type definition struct{ term, text string }

// definitions reads a paragraph of two columns, terms and texts, in which a line
// without a term goes on with the text before it. It gives nil for any other.
func definitions(paragraph string) (list []definition) {
	column := 0
	for line := range strings.SplitSeq(paragraph, "\n") {
		if column == 0 {
			text := strings.TrimLeft(line, " ")
			term, rest, ok := strings.Cut(text, "  ")
			if rest = strings.TrimLeft(rest, " "); !ok || term == "" || rest == "" {
				return nil
			}
			column = len(line) - len(rest)
		}
		if len(line) <= column || !strings.HasSuffix(line[:column], " ") {
			return nil
		}
		term := strings.TrimSpace(line[:column])
		if term != "" {
			if !strings.HasSuffix(line[:column], "  ") {
				return nil
			}
			list = append(list, definition{term, line[column:]})
		} else if last := len(list) - 1; last < 0 || line[column] == ' ' {
			return nil
		} else {
			list[last].text += " " + line[column:]
		}
	}
	return list
}

// manWidth is the room for a line of verbatim text that is not indented, in a
// terminal of 80 columns.
const manWidth = 71

// verbatim writes lines as they are, indented if they are short.
func (p *manPage) verbatim(text string) {
	p.paragraph()
	indent := 4
	for line := range strings.SplitSeq(text, "\n") {
		if utf8.RuneCountInString(line)+indent > manWidth {
			indent = 0
		}
	}
	p.line(".RS %d\n.nf", indent)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.line("%s", roff(line))
	}
	p.line(".fi\n.RE")
}

// roff writes a line of text so that nothing in it is a request or an escape.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// sentence gives a usage line its capital and its full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if strings.ContainsAny(text[len(text)-1:], ".?)") {
		return text
	}
	return text + "."
}
