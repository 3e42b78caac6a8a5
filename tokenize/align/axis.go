package align

import "math"

// axis is what is known of one axis of a tensor: which of its places may be
// permuted, and how. It is a tree. A leaf is a run of places that are permuted
// freely, or, when it is pinned, not at all. A product has its parts as the
// digits of a place's number, the outermost first: channels times the pixels of
// each after Flatten. A sum has its parts side by side, as Concat puts them.
//
// Two axes that must be permuted alike are unified: leaves become one leaf, and
// a leaf that meets a product or a sum takes its form. What does not fit is
// pinned, which is always right: the identity permutes any two axes alike.
type axis struct {
	kind   kind
	size   int     // of a leaf: above 0, or below 0 for a size that is not known, one number for each such size
	to     *axis   // of a leaf: what it has become
	parts  []*axis // of a product or a sum
	pinned string  // of a leaf: why it may not be permuted, "" when it may
}

type kind byte

const (
	leaf kind = iota
	product
	sum
)

// one is an axis of a single place, which every axis of size 1 is.
func one() *axis { return &axis{size: 1, pinned: "it has one place"} }

func free(size int) *axis              { return &axis{size: size} }
func fixed(size int, why string) *axis { return &axis{size: size, pinned: why} }
func productOf(parts ...*axis) *axis   { return (&axis{kind: product, parts: parts}).find() }
func sumOf(parts ...*axis) *axis       { return (&axis{kind: sum, parts: parts}).find() }

func (a *axis) known() bool            { return a.length() > 0 }
func (a *axis) isLeaf() bool           { return a.kind == leaf }
func (a *axis) inherit(size int) *axis { return &axis{size: size, pinned: a.pinned} }

func pinAll(why string, axes ...*axis) {
	for _, a := range axes {
		a.pin(why)
	}
}

// find gives the axis in its plainest form: what leaves have become, products of
// products and sums of sums laid flat, parts of one place left out of products.
func (a *axis) find() *axis {
	if a.kind == leaf {
		if a.to == nil {
			return a
		}
		a.to = a.to.find()
		return a.to
	}
	var parts []*axis
	for _, p := range a.parts {
		p = p.find()
		switch {
		case p.kind == a.kind:
			parts = append(parts, p.parts...)
		case a.kind == product && p.isLeaf() && p.size == 1:
		default:
			parts = append(parts, p)
		}
	}
	switch {
	case len(parts) == 0:
		return one()
	case len(parts) == 1:
		return parts[0]
	case len(parts) > maxParts:
		const why = "it has too many parts"
		pinAll(why, parts...)
		if n := joined(a.kind, parts); n > 0 {
			return fixed(n, why)
		}
		return fixed(sizeless, why)
	}
	return &axis{kind: a.kind, parts: parts}
}

// maxParts bounds what a file can cost that joins a value with itself over and
// over: more parts than a network has that somebody trained.
const maxParts = 4096

// sizeless stands for a size that is not known and equal to no other.
const sizeless = math.MinInt

// length is the number of places, 0 when it depends on a size that is not known.
// A leaf of such a size gives that size's own number below 0.
func (a *axis) length() int {
	a = a.find()
	if a.isLeaf() {
		if a.size > maxLength || a.size == sizeless {
			return 0
		}
		return a.size
	}
	return joined(a.kind, a.parts)
}

// joined is the length of a product or sum of parts.
func joined(k kind, parts []*axis) int {
	n := 1
	if k == sum {
		n = 0
	}
	for _, p := range parts {
		size := p.length()
		switch {
		case size <= 0:
			return 0
		case k == sum && n+size <= maxLength:
			n += size
		case k == sum || n > maxLength/size:
			return 0
		default:
			n *= size
		}
	}
	return n
}

// maxLength bounds products of sizes, which a file may choose.
const maxLength = 1 << 40

// pin keeps every place where it is. The first reason stays.
func (a *axis) pin(why string) {
	a = a.find()
	if a.isLeaf() {
		if a.pinned == "" {
			a.pinned = why
		}
		return
	}
	pinAll(why, a.parts...)
}

// cut divides the axis into its first n places and the rest, 0 < n < length.
// ok is false when that would go through a part that cannot be divided.
func (a *axis) cut(n int) (head, rest *axis, ok bool) {
	a = a.find()
	if !a.known() || n <= 0 || n >= a.length() {
		return nil, nil, false
	}
	switch a.kind {
	case leaf:
		head, rest = a.inherit(n), a.inherit(a.size-n)
		a.to = &axis{kind: sum, parts: []*axis{head, rest}}
		return head, rest, true
	case sum:
		for k, p := range a.parts {
			switch size := p.length(); {
			case n == 0:
				return sumOf(a.parts[:k]...), sumOf(a.parts[k:]...), true
			case n < size:
				head, rest, ok = p.cut(n)
				if !ok {
					return nil, nil, false
				}
				return sumOf(append(a.parts[:k:k], head)...), sumOf(append([]*axis{rest}, a.parts[k+1:]...)...), true
			default:
				n -= size
			}
		}
		return nil, nil, false
	}
	inner := productOf(a.parts[1:]...)
	if n%inner.length() != 0 {
		return nil, nil, false
	}
	if head, rest, ok = a.parts[0].cut(n / inner.length()); !ok {
		return nil, nil, false
	}
	return productOf(head, inner), productOf(rest, inner), true
}

// divide makes the axis a product whose first part has n places.
func (a *axis) divide(n int) (outer, inner *axis, ok bool) {
	a = a.find()
	size := a.length()
	if size <= 0 || n <= 0 || size%n != 0 {
		return nil, nil, false
	}
	switch {
	case n == size:
		return a, one(), true
	case n == 1:
		return one(), a, true
	case a.kind == sum:
		return a.fold(n)
	case a.isLeaf():
		outer, inner = a.inherit(n), a.inherit(size/n)
		a.to = &axis{kind: product, parts: []*axis{outer, inner}}
		return outer, inner, true
	}
	first := a.parts[0].length()
	rest := productOf(a.parts[1:]...)
	if n < first {
		if outer, inner, ok = a.parts[0].divide(n); !ok {
			return nil, nil, false
		}
		return outer, productOf(inner, rest), true
	}
	if n%first != 0 {
		return nil, nil, false
	}
	if outer, inner, ok = rest.divide(n / first); !ok {
		return nil, nil, false
	}
	return productOf(a.parts[0], outer), inner, true
}

// fold makes a sum a product of n pieces, all permuted alike, that stay in their
// order among themselves.
func (a *axis) fold(n int) (outer, inner *axis, ok bool) {
	why, size := "its parts are seen as one", a.length()/n
	if n > maxPieces {
		return nil, nil, false
	}
	var rest *axis
	if inner, rest, ok = a.cut(size); !ok {
		return nil, nil, false
	}
	for range n - 2 {
		var piece *axis
		if piece, rest, ok = rest.cut(size); !ok {
			return nil, nil, false
		}
		unify(inner, piece, why)
	}
	unify(inner, rest, why)
	return fixed(n, why), inner.find(), true
}

// maxPieces bounds the work of fold.
const maxPieces = 1024

// unify makes two axes of the same length one, so that they are permuted alike.
// Where their forms cannot be brought together both are pinned.
func unify(a, b *axis, why string) {
	a, b = a.find(), b.find()
	if a == b {
		return
	}
	if alike(a, b) {
		for k, p := range a.parts {
			unify(p, b.parts[k], why)
		}
		return
	}
	if a.length() > 0 && b.length() <= 0 {
		b = b.settle(a.length())
	} else if b.length() > 0 && a.length() <= 0 {
		a = a.settle(b.length())
	}
	n := a.length()
	if n <= 0 || n != b.length() || !merge(a, b, why) {
		pinAll(why+" ties parts that cannot be permuted alike", a, b)
	}
}

// alike tells whether two products, in plainest form, have parts of equal sizes,
// known or not.
func alike(a, b *axis) bool {
	if a.kind != product || b.kind != product || len(a.parts) != len(b.parts) {
		return false
	}
	for k, p := range a.parts {
		if n := p.length(); n == 0 || n != b.parts[k].length() {
			return false
		}
	}
	return true
}

// settle replaces sizes that are not known, where they stand side by side in a
// product, by one number, so that the whole has n places.
func (a *axis) settle(n int) *axis {
	if a.kind != product {
		return a
	}
	known, at, count := 1, -1, 0
	for k, p := range a.parts {
		if size := p.length(); size > 0 {
			known *= size
		} else {
			if at >= 0 && at+count != k {
				return a
			}
			if at < 0 {
				at = k
			}
			count++
		}
	}
	if n%known != 0 {
		return a
	}
	pinAll(unknownSize, a.parts[at:at+count]...)
	parts := append(a.parts[:at:at], fixed(n/known, unknownSize))
	return productOf(append(parts, a.parts[at+count:]...)...)
}

const unknownSize = "its size is not known"

// merge is unify for axes in plainest form and of one known length; it returns
// false where their forms differ too much.
func merge(a, b *axis, why string) bool {
	if a == b {
		return true
	}
	if b.isLeaf() {
		a, b = b, a
	}
	switch {
	case a.isLeaf():
		if a.pinned != "" {
			b.pin(a.pinned)
		}
		a.to = b
		return true
	case a.kind == sum:
		return mergeSum(a, b, why)
	case b.kind == sum:
		return mergeSum(b, a, why)
	}
	return mergeProducts(a, b, why)
}

// mergeSum unifies the parts of a sum with cuts of b.
func mergeSum(a, b *axis, why string) bool {
	for k, p := range a.parts {
		head := b
		if k < len(a.parts)-1 {
			var ok bool
			if head, b, ok = b.cut(p.length()); !ok {
				return false
			}
		}
		unify(p, head, why)
	}
	return true
}

// mergeProducts unifies products digit by digit, dividing the larger digits.
func mergeProducts(a, b *axis, why string) bool {
	for {
		a, b = a.find(), b.find()
		if a.isLeaf() || b.isLeaf() || a.kind == sum || b.kind == sum {
			return merge(a, b, why)
		}
		n := min(a.parts[0].length(), b.parts[0].length())
		ao, ai, ok := a.divide(n)
		if !ok {
			return false
		}
		bo, bi, ok := b.divide(n)
		if !ok {
			return false
		}
		unify(ao, bo, why)
		a, b = ai, bi
	}
}
