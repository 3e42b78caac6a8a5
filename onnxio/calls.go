package onnxio

import (
	"fmt"
	"slices"
	"strings"
)

// maxCalls is how deep local functions may call one another.
const maxCalls = 1000

// key is what a node names a local function by.
func (fn *function) key() [3]string { return [3]string{fn.domain, fn.name, fn.overload} }

// linkCalls finds the local function that each node calls, refuses functions
// that call themselves, and puts the functions into the order in which the main
// graph first calls them; those that nothing calls come last, by name.
func (m *Model) linkCalls() error {
	c := caller{m: m, byKey: map[[3]string]*function{}, state: map[*function]int{}}
	for _, fn := range m.functions {
		if c.byKey[fn.key()] != nil {
			return c.fail(fn, "two local functions have one name")
		}
		c.byKey[fn.key()] = fn
	}
	if len(m.functions) == 0 {
		return nil
	}
	if err := c.graph(m.main, 0); err != nil {
		return err
	}
	for _, fn := range c.order {
		fn.called = true
	}
	rest := slices.Clone(m.functions)
	slices.SortFunc(rest, func(a, b *function) int {
		x, y := a.key(), b.key()
		return strings.Compare(strings.Join(x[:], "\x00"), strings.Join(y[:], "\x00"))
	})
	for _, fn := range rest {
		if err := c.function(fn, 0); err != nil {
			return err
		}
	}
	m.functions = c.order
	return nil
}

type caller struct {
	m     *Model
	byKey map[[3]string]*function
	state map[*function]int // 1 while its nodes are looked at, 2 after
	order []*function
}

func (c *caller) fail(fn *function, what string) error {
	return &Error{File: c.m.Path, Where: fn.graph.label, Offset: -1, What: what, Err: ErrInvalid}
}

func (c *caller) graph(g *graph, depth int) error {
	var err error
	walk(&scope{g: g}, func(_ *scope, n *node) {
		fn := c.byKey[[3]string{n.domain, n.op, n.overload}]
		if fn == nil || err != nil {
			return
		}
		n.calls = fn
		err = c.function(fn, depth+1)
	})
	return err
}

func (c *caller) function(fn *function, depth int) error {
	switch {
	case c.state[fn] == 2:
		return nil
	case c.state[fn] == 1:
		return c.fail(fn, "it calls itself")
	case depth > maxCalls:
		return &Error{File: c.m.Path, Where: fn.graph.label, Offset: -1, What: "local functions call one another too deep", Expected: fmt.Sprintf("at most %d levels", maxCalls), Found: "more", Err: ErrLimit}
	}
	c.state[fn] = 1
	fn.number = len(c.order)
	c.order = append(c.order, fn)
	err := c.graph(fn.graph, depth)
	c.state[fn] = 2
	return err
}
