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

// weightSlots gives the role of each input that is a weight when it is stored,
// for the operators of the standard domain.
var weightSlots = map[string]map[int]Role{
	"Conv":                  {1: RoleWeight, 2: RoleBias},
	"ConvTranspose":         {1: RoleWeight, 2: RoleBias},
	"DeformConv":            {1: RoleWeight, 3: RoleBias},
	"Gemm":                  {0: RoleWeight, 1: RoleWeight, 2: RoleBias},
	"MatMul":                {0: RoleWeight, 1: RoleWeight},
	"BatchNormalization":    {1: RoleScale, 2: RoleBias, 3: RoleMean, 4: RoleVariance},
	"InstanceNormalization": {1: RoleScale, 2: RoleBias},
	"LayerNormalization":    {1: RoleScale, 2: RoleBias},
	"GroupNormalization":    {1: RoleScale, 2: RoleBias},
	"RMSNormalization":      {1: RoleScale},
	"PRelu":                 {1: RoleSlope},
	"Gather":                {0: RoleEmbedding},
	"LSTM":                  {1: RoleWeight, 2: RoleRecurrent, 3: RoleBias, 7: RoleRecurrent},
	"GRU":                   {1: RoleWeight, 2: RoleRecurrent, 3: RoleBias},
	"RNN":                   {1: RoleWeight, 2: RoleRecurrent, 3: RoleBias},
	"Add":                   {0: RoleBias, 1: RoleBias},
	"Sub":                   {0: RoleBias, 1: RoleBias},
	"Mul":                   {0: RoleScale, 1: RoleScale},
	"Div":                   {0: RoleScale, 1: RoleScale},
}

// anySlot are operators whose every input is a weight when it is stored.
var anySlot = map[string]Role{
	"Concat": RoleTable,
	"Einsum": RoleWeight,
}

// passes are operators that hand their input 0 on with other bytes, shape or
// place, so that what uses their output decides the role.
var passes = map[string]bool{
	"Identity": true, "Cast": true, "Transpose": true, "Reshape": true,
	"Squeeze": true, "Unsqueeze": true, "Flatten": true, "Expand": true,
}

// neutral are operators that look at a tensor's shape only.
var neutral = map[string]bool{"Shape": true, "Size": true}

// quantizing are operators for which a stored tensor is a part of the
// arithmetic's encoding: new values would not fit the stored integers.
var quantizing = map[string]bool{
	"QuantizeLinear": true, "DequantizeLinear": true, "DynamicQuantizeLinear": true,
	"QLinearConv": true, "QLinearMatMul": true, "ConvInteger": true, "MatMulInteger": true,
}

// slotRole is the role of a stored input, "" when it is not a weight slot.
func slotRole(n *node, slot int) Role {
	if n.domain != "" {
		return ""
	}
	if r, ok := weightSlots[n.op][slot]; ok {
		return r
	}
	return anySlot[n.op]
}

// assignRoles finds the uses of every value and decides what is a weight.
func (m *Model) assignRoles() {
	seq := 0
	roots := []*scope{{g: m.main}}
	for _, fn := range m.functions {
		roots = append(roots, &scope{g: fn.graph})
	}
	for _, root := range roots {
		walk(root, func(s *scope, n *node) {
			for k, name := range n.inputs {
				if d := s.find(name); d != nil {
					d.uses = append(d.uses, use{n, k, s.g, seq})
					seq++
				}
			}
		})
	}
	m.decideAll()
}

// terminals lists the uses of a value, following operators that only hand it
// on. Such operators form a tree below the value, so each is met once.
func terminals(d *def) []use {
	var found []use
	for todo := []*def{d}; len(todo) > 0; {
		d, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for _, u := range d.uses {
			if next := u.output(); next != nil && u.slot == 0 && u.node.domain == "" && passes[u.node.op] {
				todo = append(todo, next)
			} else {
				found = append(found, u)
			}
		}
	}
	slices.SortFunc(found, func(a, b use) int { return cmp.Compare(a.seq, b.seq) })
	return found
}

// output is the first output of the node that uses a value, or nil.
func (u *use) output() *def {
	if len(u.node.outputs) == 0 {
		return nil
	}
	return u.in.defs[u.node.outputs[0]]
}

// blocks tells whether new values at this input would break the model: it is
// part of an encoding in integers, or of the scale factors of a Resize.
func (u *use) blocks() bool {
	if quantizing[u.node.op] {
		return true
	}
	if out := u.output(); out != nil {
		for _, next := range out.uses {
			if next.slot > 0 && (next.node.op == "Resize" || next.node.op == "Upsample") {
				return true
			}
		}
	}
	return false
}

// decide sets Op, Slot, Role, Action and Reason from the tensor's uses in
// canonical order, and returns the seq of the use that made it a weight.
func (t *Tensor) decide(uses []use) int {
	t.Role, t.Action = RoleConstant, ActionCopy
	if len(uses) > 0 {
		t.Op, t.Slot = uses[0].node.op, uses[0].slot
	}
	var weight *use
	var blocked *use
	for i, u := range uses {
		switch {
		case neutral[u.node.op]:
		case blocked == nil && u.blocks():
			blocked = &uses[i]
		case weight == nil && slotRole(u.node, u.slot) != "":
			weight = &uses[i]
		}
	}
	if weight != nil {
		t.Op, t.Slot = weight.node.op, weight.slot
	}
	switch {
	case t.Stored == StoredAttribute:
		t.Reason = "it is an attribute of " + t.home
	case len(uses) == 0 && t.def != nil && t.def.escapes:
		t.Reason = "it is only an output of the graph"
	case len(uses) == 0:
		t.Reason = "nothing in the graph uses it"
	case !t.DType.float():
		t.Reason = t.DType.String() + " is not a type that weights have"
	case blocked != nil:
		t.Reason = useText(blocked) + " is part of an encoding or a resizing, not a weight"
	case weight == nil:
		t.Reason = useText(&uses[0]) + " is not a weight"
	case t.Elements < 2:
		t.Role, t.Reason = slotRole(weight.node, weight.slot), fmt.Sprintf("it has %d elements, a weight has more than one", t.Elements)
		if t.Elements == 1 {
			t.Reason = "it has one element, a weight has more"
		}
	case t.obstacle() != "":
		t.Role, t.Reason = slotRole(weight.node, weight.slot), t.obstacle()
	default:
		t.Role, t.Action, t.Reason = slotRole(weight.node, weight.slot), ActionGenerate, ""
		return weight.seq
	}
	return -1
}

// obstacle says why new values cannot be written to a weight, "" when they can.
func (t *Tensor) obstacle() string {
	switch {
	case t.Stored != StoredInitializer && t.Stored != StoredConstant:
		return storedReason[t.Stored]
	case t.DType != Float32:
		return t.DType.String() + " weights are not generated yet, only float32"
	}
	return ""
}

var storedReason = map[string]string{
	StoredSparse:   "sparse tensors are not generated yet",
	StoredSubgraph: "weights in subgraphs are not generated yet",
	StoredFunction: "weights in local functions are not generated yet",
}

func useText(u *use) string {
	op := u.node.op
	if u.node.domain != "" {
		op = u.node.domain + "." + op
	}
	return fmt.Sprintf("input %d of %s", u.slot, op)
}
