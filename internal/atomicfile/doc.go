// Package atomicfile writes a file completely or not at all.
//
// Write is the whole package: the bytes go to a temporary file beside the
// target, are flushed to the disk, and only then take the target's name. A
// reader of the target sees the old file or the new one, never a part; a
// failure, a full disk or a kill leaves nothing at the target's name.
package atomicfile
