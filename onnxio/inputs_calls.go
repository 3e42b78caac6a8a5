package onnxio

import "fmt"

// site is a node that calls a local function, with the function that it is in;
// nil in the main graph.
type site struct {
	node *node
	in   *function
}

// findCalls finds for each graph the local function that it is in, and for each
// function the nodes that call it.
func (l *lifter) findCalls() {
	l.owner, l.sites, l.given = map[*graph]*function{}, map[*function][]site{}, map[*function][]string{}
	if len(l.m.functions) == 0 {
		return
	}
	l.look(l.m.main, nil)
	for _, fn := range l.m.functions {
		l.look(fn.graph, fn)
	}
}

// look does so for g, which is in fn, and the branches and loop bodies in it.
func (l *lifter) look(g *graph, fn *function) {
	l.owner[g] = fn
	for _, n := range g.nodes {
		if n.calls != nil {
			l.sites[n.calls] = append(l.sites[n.calls], site{n, fn})
		}
		for _, a := range n.attrs {
			for _, inner := range a.graphs {
				l.look(inner, fn)
			}
		}
	}
}

// give adds an input to fn, and to the functions that call it, so that it
// reaches fn from the main graph, where it is an input of that name. No function
// has a value of the name. Names are given one after the other.
func (l *lifter) give(fn *function, name string) error {
	if fn == nil {
		return nil
	}
	if n := len(l.given[fn]); n > 0 && l.given[fn][n-1] == name {
		return nil
	}
	// A function with many weights that is called many times multiplies them.
	if l.bytes += int64(1+len(l.sites[fn])) * int64(2+len(name)); l.bytes > maxProtobuf {
		return l.tooLarge(l.bytes)
	}
	l.given[fn] = append(l.given[fn], name)
	for _, s := range l.sites[fn] {
		if err := l.give(s.in, name); err != nil {
			return err
		}
	}
	return nil
}

// passOn writes the inputs that give has added into the functions and into what
// calls them. A call that leaves out inputs gets empty ones in their place.
func (l *lifter) passOn() error {
	for _, fn := range l.m.functions {
		given := l.given[fn]
		if len(given) == 0 {
			continue
		}
		var inputs []byte
		for _, name := range given {
			inputs = appendBytes(inputs, functionInput, name)
		}
		g := fn.graph
		l.edits = append(l.edits, insert(extent{g.body.end, g.body.end}, g.body, inputs))
		for _, s := range l.sites[fn] {
			missing := len(g.inputs) - len(s.node.inputs)
			if missing < 0 {
				return &Error{File: l.m.Path, Where: s.node.title(), Offset: s.node.entry.at, What: "too many inputs for the " + g.label,
					Expected: fmt.Sprintf("at most %d", len(g.inputs)), Found: fmt.Sprint(len(s.node.inputs)), Err: ErrUnsupported}
			}
			c, err := l.body(s.node)
			if err != nil {
				return err
			}
			var more []byte
			for _, name := range append(make([]string, missing), given...) {
				more = appendBytes(more, nodeInput, name)
			}
			l.edits = append(l.edits, insert(extent{c.end, c.end}, extent{c.pos, c.end}, more))
		}
	}
	return nil
}
