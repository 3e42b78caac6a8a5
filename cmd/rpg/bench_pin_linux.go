package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// pinTo keeps this process, and the processes that it starts, to the first n of
// the cores it may use; 0 leaves it as it is. The threads that exist are moved
// one by one, new ones inherit.
func pinTo(n int) error {
	if n == 0 {
		return nil
	}
	var allowed, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("bench: which cores may be used: %w", err)
	}
	for core := 0; core < len(allowed)*64 && set.Count() < n; core++ {
		if allowed.IsSet(core) {
			set.Set(core)
		}
	}
	if set.Count() == allowed.Count() {
		return nil
	}
	// A thread may be born of one that is not yet moved: look until all are.
	for moved := map[int]bool{}; ; {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("bench: the threads of this process: %w", err)
		}
		before := len(moved)
		for _, t := range tasks {
			id, err := strconv.Atoi(t.Name())
			if err != nil || moved[id] {
				continue
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH { // ended meanwhile
				return fmt.Errorf("bench: keeping to %s: %w", several(n, "core"), err)
			}
			moved[id] = true
		}
		if len(moved) == before {
			return nil
		}
	}
}
