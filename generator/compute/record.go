package compute

// A Recorder is a Device to which the same work can be given again and again at
// little cost.
type Recorder interface {
	// Record does what f gives to the device. f is called every time, and may
	// give other work than before under the same key: that only costs the gain.
	// The gain is largest where what changes are the scalars of Combine, Normal,
	// NormalRows, AdamW, AdamW8 and EMA, and what is uploaded. f should not allocate,
	// download or wait.
	Record(key string, f func())
}

// Record calls f, as work that comes again and again with this key, if d is a
// Recorder.
func Record(d Device, key string, f func()) {
	if r, ok := d.(Recorder); ok {
		r.Record(key, f)
		return
	}
	f()
}
