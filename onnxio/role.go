package onnxio

import (
	"cmp"
	"fmt"
	"slices"
)

// Role says what a tensor is to the operator that uses it.
type Role string

// The roles of weights, and RoleConstant for everything else.
const (
	RoleWeight    Role = "weight"    // kernel or matrix
	RoleBias      Role = "bias"      // added
	RoleScale     Role = "scale"     // multiplied
	RoleMean      Role = "mean"      // running mean of BatchNormalization
	RoleVariance  Role = "variance"  // running variance of BatchNormalization, positive
	RoleEmbedding Role = "embedding" // looked up by Gather
	RoleRecurrent Role = "recurrent" // state to state, in LSTM, GRU and RNN
	RoleSlope     Role = "slope"     // of PRelu
	RoleTable     Role = "table"     // joined to a signal by Concat: class tokens and the like
	RoleConstant  Role = "constant"  // not a weight
)

// assignRoles finds the uses of every value and decides what is a weight.
func (m *Model) assignRoles() {
	seq := 0
	visit := func(s *scope, n *node) {
		for k, name := range n.inputs {
			if d := s.find(name); d != nil {
				d.uses = append(d.uses, use{n, k, s.g, seq})
				seq++
			}
		}
	}
	walk(&scope{g: m.main}, visit)
	for _, fn := range m.functions {
		if fn.called {
			walk(&scope{g: fn.graph}, visit)
		}
	}
	m.decideAll()
}

// follower lists the uses of values across operators that only hand them on.
type follower struct {
	uses  []use
	seen  map[*def]bool
	spent *int // uses that were followed for all tensors
}

// terminals lists the uses of a value in the canonical order, following
// operators that only hand it on, calls of local functions, and what loops give
// their bodies. A use inside a function has the place in the order of its call.
func (m *Model) terminals(d *def) []use {
	f := follower{seen: map[*def]bool{}, spent: &m.followed}
	f.follow(d)
	slices.SortStableFunc(f.uses, func(a, b use) int { return cmp.Compare(a.seq, b.seq) })
	return f.uses
}

// calling is the call of a function inside which a value is being followed; the
// place of its use is that of the outermost call.
type calling struct {
	use   use
	outer *calling
}

// follow adds the uses of d.
func (f *follower) follow(d *def) {
	type step struct {
		d  *def
		in *calling
	}
	for todo := []step{{d, nil}}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if f.seen[s.d] {
			continue
		}
		f.seen[s.d] = true
		if s.d.escapes && s.in != nil { // an output of the function: on where it was called
			if d := s.in.result(s.d); d != nil {
				todo = append(todo, step{d, s.in.outer})
			}
		}
		for _, u := range s.d.uses {
			call := s.in
			if call != nil {
				u.seq = call.use.seq
			}
			*f.spent++
			var next []*def
			var inside bool
			if *f.spent <= maxFollowed {
				next, inside = u.hands()
				*f.spent += len(next)
			}
			switch {
			case len(next) == 0:
				f.uses = append(f.uses, u)
				continue
			case inside:
				call = &calling{u, s.in}
			}
			for _, d := range next {
				todo = append(todo, step{d, call})
			}
		}
	}
}

// result is the value of the call that an output of the function becomes, or nil.
func (c *calling) result(d *def) *def {
	n, g := c.use.node, c.use.node.calls.graph
	if d.output >= min(len(g.outputs), len(n.outputs)) || g.defs[g.outputs[d.output].name] != d {
		return nil
	}
	return c.use.in.defs[n.outputs[d.output]]
}

// hands lists the values that a use only hands its value on to. They are inside a
// local function if the node calls one.
func (u *use) hands() (next []*def, inside bool) {
	n := u.node
	input := func(g *graph, k int) {
		if k >= 0 && k < len(g.inputs) {
			next = append(next, g.defs[g.inputs[k].name])
		}
	}
	switch {
	case n.calls != nil:
		input(n.calls.graph, u.slot)
		return next, true
	case n.domain == "" && n.op == "Loop" && u.slot >= 2, n.domain == "" && n.op == "Scan":
		for _, a := range n.attrs {
			for _, body := range a.graphs {
				input(body, u.slot)
			}
		}
	case passes[n.key()] && u.slot == 0, n.domain == "" && n.op == "Concat" && u.onlyStored():
		for _, name := range n.outputs {
			if d := u.in.defs[name]; d != nil {
				next = append(next, d)
			}
		}
	}
	return next, false
}

// answer is yes, no, or not asked yet.
type answer int8

const (
	yes answer = 1
	no  answer = -1
)

// ask gives the answer that is known, or finds it.
func (a *answer) ask(find func() bool) bool {
	if *a == 0 {
		if *a = no; find() {
			*a = yes
		}
	}
	return *a == yes
}

// onlyStored tells whether all inputs of the node are stored values, or such
// after operators that hand them on: then it is a part of how a weight is stored.
func (u *use) onlyStored() bool {
	return u.node.stored.ask(func() bool {
		return !slices.ContainsFunc(u.node.inputs, func(name string) bool { return !u.in.isStored(name) })
	})
}

// isStored tells whether a value of g is stored, or is one that operators hand on.
func (g *graph) isStored(name string) bool {
	for range maxChain {
		d := g.defs[name]
		switch {
		case d == nil:
			return false
		case d.tensor != nil:
			return true
		case d.node == nil || !passes[d.node.key()] || len(d.node.inputs) == 0:
			return false
		}
		name = d.node.inputs[0]
	}
	return false
}

// maxChain is how many operators isStored looks back.
const maxChain = 8

// blocks tells whether new values at this input would break the model: it is
// part of an encoding in integers, or of the scale factors of a Resize.
func (u *use) blocks() bool {
	return encodings[u.node.key()] || u.node.scales.ask(func() bool {
		return slices.ContainsFunc(u.node.outputs, func(name string) bool {
			out := u.in.defs[name]
			return out != nil && slices.ContainsFunc(out.uses, func(next use) bool {
				return next.slot > 0 && (next.node.op == "Resize" || next.node.op == "Upsample")
			})
		})
	})
}

// decide sets Op, Slot, Role, Action and Reason from the tensor's uses in
// canonical order, and returns the seq of the use that made it a weight.
func (t *Tensor) decide(uses []use) int {
	t.Role, t.Action, t.Reason = RoleConstant, ActionCopy, ""
	t.Op, t.Slot = "", -1
	if len(uses) > 0 {
		t.Op, t.Slot = uses[0].node.op, uses[0].slot
	}
	var weight *use
	var blocked *use
	for i, u := range uses {
		switch {
		case neutral[u.node.key()]:
		case blocked == nil && u.blocks():
			blocked = &uses[i]
		case weight == nil && slotRole(u.node, u.slot) != "":
			weight = &uses[i]
		}
	}
	if weight != nil {
		t.Op, t.Slot = weight.node.op, weight.slot
	}
	if t.Reason = t.unused(len(uses) > 0); t.Reason != "" {
		return -1
	}
	switch {
	case !t.DType.float():
		if t.Reason = t.DType.String() + " is not a type that weights have"; t.DType.quantized() {
			t.Reason = t.quantizedReason(weight, blocked)
		}
		if weight != nil && t.DType.quantized() {
			t.Role = slotRole(weight.node, weight.slot)
		}
	case blocked != nil && blocked.quantizer():
		t.Reason = useText(blocked) + " scales the integers of another tensor, which are copied"
	case blocked != nil:
		t.Reason = useText(blocked) + " is part of an encoding or a resizing, not a weight"
	case weight == nil:
		t.Reason = useText(&uses[0]) + " is not a weight"
	case t.Elements < 2:
		t.Role, t.Reason = slotRole(weight.node, weight.slot), fmt.Sprintf("it has %d elements, a weight has more than one", t.Elements)
		if t.Elements == 1 {
			t.Reason = "it has one element, a weight has more"
		}
	default:
		t.Role, t.Action = slotRole(weight.node, weight.slot), ActionGenerate
		return weight.seq
	}
	return -1
}

// unused says why a tensor is nothing that the graph computes with; "" when it is.
func (t *Tensor) unused(used bool) string {
	switch {
	case t.places:
		return "it says where the values of a sparse tensor are"
	case t.in == nil:
		return "it is " + t.home
	case used && t.overridden():
		return "whoever runs the branch or loop body gives another value for it"
	case used:
		return ""
	case t.def != nil && t.def.escapes:
		return "it is only an output of the graph"
	}
	return "nothing in the graph uses it"
}

// overridden tells whether t is the default of an input of a branch or loop body.
func (t *Tensor) overridden() bool {
	return t.def != nil && t.def.input && t.in.label != ""
}

// quantizer tells whether the use is a scale or zero point beside integers.
func (u *use) quantizer() bool {
	return u.slot > 0 && (u.node.op == "DequantizeLinear" || u.node.op == "QuantizeLinear")
}

// quantizedReason explains a tensor of integers that stand for real numbers.
func (t *Tensor) quantizedReason(weight, blocked *use) string {
	switch {
	case blocked != nil && blocked.quantizer():
		return useText(blocked) + " is the zero point of another tensor's integers"
	case weight != nil:
		return fmt.Sprintf("quantized to %s for %s: its integers and their scale are copied together", t.DType, useText(weight))
	case blocked != nil:
		return fmt.Sprintf("quantized to %s: %s takes its integers, which are copied with their scale", t.DType, useText(blocked))
	}
	return t.DType.String() + " is not a type that weights have"
}

func useText(u *use) string {
	op := u.node.op
	if u.node.domain != "" {
		op = u.node.domain + "." + op
	}
	return fmt.Sprintf("input %d of %s", u.slot, op)
}
