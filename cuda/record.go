package cuda

import (
	"reflect"
	"unsafe"
)

// record is work that comes again and again. The first run is done plainly, and
// finds how many bytes change from run to run; the second one records a graph.
// From the third on, what is given is compared with the calls and nothing is done
// but to upload what changes, all together, and to launch the graph.
type record struct {
	key    string
	stage  stage
	calls  []call
	next   int    // calls that came so far in this run
	values []byte // what changes: scalars that vary and uploads
	used   int    // bytes of it that the calls so far take
	block  run    // where the graph finds values
	graph  uintptr
}

type stage int

const (
	counting stage = iota
	capturing
	replaying
)

// call is an operation or an upload of a record.
type call struct {
	function string // uploadCall for an upload
	args     any    // a pointer to the mirror, with `now` cleared and `later` set
	start    unsafe.Pointer
	size     uintptr // of the mirror

	later, now uintptr // where the mirror has them
	at, bytes  int     // what changes is values[at:at+bytes]
	to         uint64  // of an upload
}

const uploadCall = "rpg_upload"

// newCall finds `later` and `now` in the mirror A.
func newCall[A any](function string) call {
	t := reflect.TypeFor[A]()
	c := call{function: function, size: t.Size()}
	if now, ok := t.FieldByName("now"); ok {
		later, _ := t.FieldByName("later")
		c.later, c.now, c.bytes = later.Offset, now.Offset, int(now.Type.Size())
	}
	return c
}

// vary takes `now` out of the mirror at start, puts it into values, and points
// `later` to where the graph finds it.
func (c *call) vary(r *record, start unsafe.Pointer) {
	if c.bytes == 0 {
		return
	}
	now := unsafe.Slice((*byte)(unsafe.Add(start, c.now)), c.bytes)
	copy(r.values[c.at:], now)
	clear(now)
	*(*uint64)(unsafe.Add(start, c.later)) = r.block.address + uint64(c.at)
}

// take reserves bytes of values and reports whether there are so many.
func (r *record) take(bytes int) (at int, ok bool) {
	at = r.used
	r.used += (bytes + 7) &^ 7
	return at, r.stage == counting || r.used <= len(r.values)
}

// expected is the next call if it is of this function, else nil.
func (r *record) expected(function string) *call {
	if r.next < len(r.calls) && r.calls[r.next].function == function {
		return &r.calls[r.next]
	}
	return nil
}

func (r *record) add(c call) {
	r.calls = append(r.calls, c)
	r.next++
}

// Record makes the device a compute.Recorder. When other work comes than was
// recorded, it is done plainly, and the record is made anew the next times.
func (d *device) Record(key string, f func()) {
	if d.current != nil || d.failure != nil {
		f()
		return
	}
	r := d.records[key]
	if r == nil {
		r = &record{key: key}
		d.records[key] = r
	} else if r.stage == counting {
		r.stage, r.values, r.block = capturing, make([]byte, r.used), d.alloc(r.used/valueBytes)
		d.keep(d.call("rpg_record"))
	}
	r.next, r.used = 0, 0
	d.current = r
	f()
	if d.current == r { // it was not given up
		d.finish(r)
	}
}

// finish does the work of a run that went as recorded.
func (d *device) finish(r *record) {
	if r.stage == counting {
		d.current = nil
		return
	}
	if d.failure != nil || r.next != len(r.calls) {
		d.plainly()
		return
	}
	if r.stage == capturing {
		r.stage = replaying
		if d.call("rpg_record_end", uintptr(unsafe.Pointer(&r.graph))) != nil {
			d.plainly()
			return
		}
	}
	d.current = nil
	if len(r.values) > 0 {
		d.keep(d.call("rpg_upload", uintptr(r.block.address), uintptr(unsafe.Pointer(&r.values[0])), uintptr(len(r.values))))
	}
	d.keep(d.call("rpg_replay", r.graph))
	d.replays++
}

// plainly gives up the record in progress, if there is one: the calls that came so
// far are done without it, as is what follows.
func (d *device) plainly() {
	r := d.current
	if r == nil || r.stage == counting {
		return
	}
	d.current = nil
	delete(d.records, r.key)
	if r.stage == capturing {
		// The graph is not wanted. Why it may not have become one, the calls tell
		// when they are done plainly.
		_ = d.call("rpg_record_end", uintptr(unsafe.Pointer(&r.graph)))
	}
	for i := range r.calls[:r.next] {
		d.again(r, &r.calls[i])
	}
	d.freeGraph(r)
}

// again does a call plainly, with the values of this run.
func (d *device) again(r *record, c *call) {
	values := r.values[c.at:][:c.bytes]
	switch {
	case d.failure != nil:
	case c.function == uploadCall:
		d.keep(d.call(uploadCall, uintptr(c.to), uintptr(unsafe.Pointer(&values[0])), uintptr(c.bytes)))
	default:
		start := unsafe.Pointer(&d.args)
		copy(unsafe.Slice((*byte)(start), c.size), unsafe.Slice((*byte)(c.start), c.size))
		if c.bytes > 0 {
			*(*uint64)(unsafe.Add(start, c.later)) = 0
			copy(unsafe.Slice((*byte)(unsafe.Add(start, c.now)), c.bytes), values)
		}
		d.keep(d.call(c.function, uintptr(start)))
	}
}

// freeGraph waits first: the graph may be at work.
func (d *device) freeGraph(r *record) {
	if r.graph != 0 {
		d.keep(d.call("rpg_sync"))
		d.keep(d.call("rpg_graph_free", r.graph))
		r.graph = 0
	}
}

// recorded takes an operation for the record in progress, or gives that up and
// leaves the operation to be done plainly.
func recorded[A comparable](d *device, function string, a A) bool {
	r := d.current
	switch r.stage {
	case counting:
		c := newCall[A](function)
		r.take(c.bytes)
		return false
	case capturing:
		if capture(d, r, function, a) {
			return true
		}
	case replaying:
		if c := r.expected(function); c != nil {
			want, ok := c.args.(*A)
			c.vary(r, unsafe.Pointer(&a))
			if ok && a == *want {
				r.next++
				return true
			}
		}
	}
	d.plainly()
	return false
}

// capture puts an operation into the graph and reports whether that went well.
func capture[A comparable](d *device, r *record, function string, a A) bool {
	c := newCall[A](function)
	var ok bool
	if c.at, ok = r.take(c.bytes); !ok {
		return false
	}
	c.args, c.start = &a, unsafe.Pointer(&a)
	c.vary(r, c.start)
	*(*A)(unsafe.Pointer(&d.args)) = a
	if d.call(function, uintptr(unsafe.Pointer(&d.args))) != nil {
		return false
	}
	r.add(c)
	return true
}

// recordedUpload is recorded for an upload.
func (d *device) recordedUpload(to uint64, data []byte) bool {
	r := d.current
	switch r.stage {
	case counting:
		r.take(len(data))
		return false
	case capturing:
		c := call{function: uploadCall, to: to, bytes: len(data)}
		var ok bool
		c.at, ok = r.take(c.bytes)
		if ok && d.call("rpg_copy_queued", uintptr(to), uintptr(r.block.address)+uintptr(c.at), uintptr(c.bytes)) == nil {
			copy(r.values[c.at:], data)
			r.add(c)
			return true
		}
	case replaying:
		if c := r.expected(uploadCall); c != nil && c.to == to && c.bytes == len(data) {
			copy(r.values[c.at:], data)
			r.next++
			return true
		}
	}
	d.plainly()
	return false
}
