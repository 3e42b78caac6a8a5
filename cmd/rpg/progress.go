package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
)

// lineEvery is the time between two lines of progress where no bar is drawn,
// barEvery that between two drawings of the bar.
const (
	lineEvery = 10 * time.Second
	barEvery  = 100 * time.Millisecond
)

// progress shows how far a long work is: a bar with rate and time left on a
// terminal, a line every ten seconds elsewhere, nothing with -q.
type progress struct {
	s     *session
	what  string
	unit  string
	begun time.Time
	next  time.Time
	note  string // shown behind the counts, e.g. the loss
	from  int    // what was done before this process began
	bar   *progressbar.ProgressBar
}

// progress begins one; unit is the plural of what is counted ("models").
func (s *session) progress(what, unit string) *progress {
	now := time.Now()
	return &progress{s: s, what: what, unit: unit, begun: now, next: now.Add(lineEvery)}
}

// at says that done of total are finished. It has the shape of the callbacks
// that packages take and may be called as often as wanted.
func (p *progress) at(done, total int) {
	switch {
	case p.s.quiet:
	case p.s.terminal:
		if p.bar != nil && done < total && time.Now().Before(p.next) {
			return
		}
		p.next = time.Now().Add(barEvery)
		if p.bar == nil {
			p.bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(p.s.stderr),
				progressbar.OptionSetDescription("rpg: "+p.what),
				progressbar.OptionSetItsString(p.unit),
				progressbar.OptionShowIts(), progressbar.OptionShowCount(),
				progressbar.OptionSetWidth(24),
				progressbar.OptionClearOnFinish())
			p.s.bar = p.bar
		}
		p.bar.ChangeMax(total)
		p.bar.Describe("rpg: " + strings.TrimSpace(p.what+" "+p.note))
		_ = p.bar.Set(done) // a bar that cannot be drawn is no reason to stop
	case time.Now().After(p.next):
		p.next = time.Now().Add(lineEvery)
		p.s.say("%s: %s", p.what, p.line(done, total))
	}
}

// line is "120 of 500 models, 12.3 models/s, about 31s left".
func (p *progress) line(done, total int) string {
	spent := time.Since(p.begun)
	text := fmt.Sprintf("%s of %s %s", count(done), count(total), p.unit)
	if done > p.from {
		rate := float64(done-p.from) / spent.Seconds()
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		text += fmt.Sprintf(", %.3g %s/s, about %s left", rate, p.unit, left.Round(time.Second))
	}
	if p.note != "" {
		text += ", " + p.note
	}
	return text
}

// close removes the bar.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar, p.s.bar = nil, nil
	}
}
