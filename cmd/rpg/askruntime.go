package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"rpg/evaluate"
	"rpg/onnxio"
)

// loadWord is the hidden first word with which rpg runs itself to let ONNX
// Runtime load models: a file that brings the library down must not end check.
const loadWord = "__load"

// What ONNX Runtime says about a model.
const (
	runtimeLoads    = "loads"
	runtimeRefuses  = "refuses"
	runtimeUncovers = "not covered" // it has no such operator, type or version
	runtimeMissing  = "not available"
)

// loadRequest is a line to the process that loads models; it answers with an
// opinion, and begins with one about itself.
type loadRequest struct {
	Path    string   `json:"path"`
	Inputs  []string `json:"inputs"`
	Outputs []string `json:"outputs"`
}

// asker is the other process.
type asker struct {
	lib     string
	version string
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// start runs the process. Its error says why ONNX Runtime is not available.
func (a *asker) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	a.process = exec.CommandContext(ctx, self, loadWord, a.lib)
	a.process.Args[0] = os.Args[0]
	if a.in, err = a.process.StdinPipe(); err != nil {
		return err
	}
	out, err := a.process.StdoutPipe()
	if err != nil {
		return err
	}
	a.out = bufio.NewReader(out)
	if err := a.process.Start(); err != nil {
		return err
	}
	hello, err := a.read()
	if err != nil {
		a.close()
		return fmt.Errorf("%s: ONNX Runtime ended while it was opened: %w", a.lib, err)
	}
	if hello.Status != runtimeLoads {
		a.close()
		return fmt.Errorf("%s", hello.Reason)
	}
	a.version = hello.Reason
	return nil
}

func (a *asker) read() (o opinion, err error) {
	line, err := a.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &o)
	}
	return o, err
}

// ask lets ONNX Runtime load a model. A process that ends over it is replaced.
func (a *asker) ask(ctx context.Context, m *onnxio.Model) opinion {
	r := loadRequest{Path: m.Path}
	for _, p := range m.Info().Inputs {
		r.Inputs = append(r.Inputs, p.Name)
	}
	for _, p := range m.Info().Outputs {
		r.Outputs = append(r.Outputs, p.Name)
	}
	if a.process == nil {
		if err := a.start(ctx); err != nil {
			return opinion{runtimeMissing, plain(err)}
		}
	}
	err := json.NewEncoder(a.in).Encode(r)
	if err == nil {
		var o opinion
		if o, err = a.read(); err == nil {
			return o
		}
	}
	ended := a.close()
	if ctx.Err() != nil {
		return opinion{runtimeMissing, "interrupted"}
	}
	return opinion{runtimeRefuses, fmt.Sprintf("ONNX Runtime %s ended while loading it: %v", a.version, ended)}
}

// close ends the process and says how it ended.
func (a *asker) close() error {
	if a == nil || a.process == nil {
		return nil
	}
	a.in.Close() // it ends at the end of its input
	err := a.process.Wait()
	a.process = nil
	return err
}

// loadModels is the other process: it opens the library and answers one line
// for each line of its input.
func (s *session) loadModels(lib string, in io.Reader) error {
	rt, err := evaluate.OpenRuntime(lib)
	if err != nil {
		return s.event(opinion{runtimeMissing, plain(err)})
	}
	defer rt.Close()
	if err := s.event(opinion{runtimeLoads, rt.Version}); err != nil {
		return err
	}
	for d := json.NewDecoder(in); ; {
		var r loadRequest
		if err := d.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.event(loadModel(r)); err != nil {
			return err
		}
	}
}

// uncovered are the parts of ONNX Runtime's errors that tell that it lacks
// something, and not that the model is wrong.
var uncovered = []string{
	"NOT_IMPLEMENTED", "Could not find an implementation", "is not a registered function/op", "only *guarantees* support",
	"is under development", "Unsupported model IR version", "Unrecognized attribute", "Unknown model file format version",
	"not supported", "Failed to construct locale",
}

func loadModel(r loadRequest) opinion {
	session, err := ort.NewDynamicAdvancedSession(r.Path, r.Inputs, r.Outputs, nil)
	if err == nil {
		err = session.Destroy()
	}
	if err == nil {
		return opinion{runtimeLoads, "version " + ort.GetVersion()}
	}
	// The binding and the library each say first what was tried.
	reason := strings.TrimPrefix(err.Error(), "Error creating C session from file: ")
	reason = strings.TrimPrefix(reason, "Load model from "+r.Path+" failed:")
	for _, part := range uncovered {
		if strings.Contains(reason, part) {
			return opinion{runtimeUncovers, reason}
		}
	}
	return opinion{runtimeRefuses, reason}
}
