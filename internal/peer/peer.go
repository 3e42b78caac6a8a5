package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Program is peer.py with what all its measurements have in common.
type Program struct {
	Python  string  // an interpreter with the packages of requirements
	Folder  string  // of peer.py and mamba2_torch.py
	Threads int     // 1 or more
	Seconds float64 // spent on one median, about
	Repeats int     // runs for one median, at most
}

// An Answer is one line of JSON.
type Answer map[string]any

// Check returns an error when the folder does not hold peer.py.
func (p *Program) Check() error {
	if _, err := os.Stat(filepath.Join(p.Folder, "peer.py")); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	return nil
}

// Run takes one measurement: `peer.py ARGUMENTS`. The processes that it starts
// keep to the cores of this one.
func (p *Program) Run(ctx context.Context, arguments ...string) (Answer, error) {
	words := append([]string{filepath.Join(p.Folder, "peer.py")}, arguments...)
	words = append(words, "--mamba", filepath.Join(p.Folder, "mamba2_torch.py"), "--threads", strconv.Itoa(p.Threads),
		"--seconds", fmt.Sprint(p.Seconds), "--repeats", strconv.Itoa(p.Repeats))
	return p.answer(ctx, words)
}

// answer runs the interpreter, whose last line of output is the answer.
func (p *Program) answer(ctx context.Context, words []string) (Answer, error) {
	cmd := exec.CommandContext(ctx, p.Python, words...)
	// Without this PyTorch's threads spin while they wait for one another, and
	// two are slower than one on a machine with other work.
	cmd.Env = append(os.Environ(), "OMP_WAIT_POLICY=PASSIVE")
	cmd.WaitDelay = 5 * time.Second // processes that it started may outlive it
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("peer: %s %s: %w: %s", p.Python, strings.Join(words, " "), err, end(complaint.String()))
	}
	return parse(out.Bytes(), complaint.String())
}

// parse reads the last line that is an object.
func parse(out []byte, complaint string) (Answer, error) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var a Answer
	if err := json.Unmarshal(lines[len(lines)-1], &a); err != nil {
		return nil, fmt.Errorf("peer: expected a line of JSON, found %q: %s", end(string(out)), end(complaint))
	}
	if a["failed"] == true {
		return nil, fmt.Errorf("peer: the measurement failed: %s", end(complaint))
	}
	return a, nil
}

// Number is a value of the answer; of a list, as [median, best], the first.
func (a Answer) Number(key string) (float64, error) {
	v := a[key]
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	n, ok := v.(float64)
	if !ok || !(n > 0) {
		return 0, fmt.Errorf("peer: %s: expected a positive number, found %v", key, a[key])
	}
	return n, nil
}

// end is the last lines of a program's output, where the reason stands.
func end(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
