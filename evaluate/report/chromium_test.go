package report_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// browser is a headless Chromium that is spoken to by its DevTools protocol over
// a pair of pipes: messages of JSON, each ended by a zero byte.
type browser struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	session string // of the page
	id      int
	events  []event
}

// event is what the browser tells without being asked.
type event struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// openBrowser starts Chromium and opens an empty page; it skips the test where
// there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("no chromium here (apt-get install chromium): the page is not looked at in a browser")
	}
	commands, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
		"--disable-background-networking", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir="+t.TempDir(), "about:blank")
	c.ExtraFiles = []*os.File{commands, answers}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	commands.Close()
	answers.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	watchdog := time.AfterFunc(2*time.Minute, func() { c.Process.Kill() }) // a browser that hangs must not hang the tests
	t.Cleanup(func() {
		watchdog.Stop()
		b.session = ""
		b.call("Browser.close", nil, nil)
		c.Wait()
		to.Close()
		from.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call asks for something and waits for the answer; what is told in between is
// kept in events.
func (b *browser) call(method string, params, answer any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		line, err := b.next()
		if err != nil {
			b.t.Fatalf("%s: the browser is gone: %v", method, err)
		}
		if line.ID != b.id {
			continue
		}
		if line.Error != nil {
			b.t.Fatalf("%s: %s", method, line.Error)
		}
		if answer != nil {
			if err := json.Unmarshal(line.Result, answer); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

type line struct {
	event
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func (b *browser) next() (line, error) {
	var l line
	text, err := b.from.ReadBytes(0)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text[:len(text)-1], &l); err != nil {
		return l, err
	}
	if l.Method != "" {
		b.events = append(b.events, l.event)
	}
	return l, nil
}

// open loads a page and waits until it is loaded.
func (b *browser) open(url string) {
	b.t.Helper()
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for i := 0; ; i++ {
		for ; i < len(b.events); i++ {
			if b.events[i].Method == "Page.loadEventFired" {
				return
			}
		}
		if _, err := b.next(); err != nil {
			b.t.Fatalf("loading %s: %v", url, err)
		}
		i--
	}
}

// show sets the width of the window, in CSS pixels, and light or dark.
func (b *browser) show(width int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// evaluate runs an expression of JavaScript in the page, from outside of it, and
// stores its value.
func (b *browser) evaluate(expression string, value any) {
	b.t.Helper()
	var answer struct {
		Result    struct{ Value json.RawMessage }
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if answer.Exception != nil {
		b.t.Fatalf("%s: %s", expression, answer.Exception)
	}
	if err := json.Unmarshal(answer.Result.Value, value); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
}

// picture writes the whole page as a PNG file.
func (b *browser) picture(file string) {
	b.t.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		b.t.Fatal(fmt.Errorf("%s: %w", file, err))
	}
}
