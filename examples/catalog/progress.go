package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows how far an import has come: a bar that is redrawn on a terminal, a
// line every five seconds elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time
	begin    time.Time
	shown    time.Time
}

func newProgress(f *os.File) *progress {
	st, err := f.Stat()
	now := time.Now
	return &progress{out: f, terminal: err == nil && st.Mode()&os.ModeCharDevice != 0, now: now, begin: now(), shown: now()}
}

// step reports the state after a batch: bytes of size read, items so far.
func (p *progress) step(read, size int64, items int) {
	pause := 5 * time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	now := p.now()
	if now.Sub(p.shown) < pause && read < size {
		return
	}
	p.shown = now
	part := 1.0
	if size > 0 {
		part = min(1, float64(read)/float64(size))
	}
	took := now.Sub(p.begin)
	rate := float64(items) / max(took.Seconds(), 1e-3)
	left := ""
	if part > 0 && part < 1 {
		left = fmt.Sprintf(", %s left", (time.Duration(float64(took) * (1 - part) / part)).Round(time.Second))
	}
	if !p.terminal {
		fmt.Fprintf(p.out, "import: %3.0f%%, %d items, %.0f/s%s\n", 100*part, items, rate, left)
		return
	}
	const width = 30
	full := int(part * width)
	fmt.Fprintf(p.out, "\rimport [%s%s] %3.0f%%  %d items  %.0f/s%s\x1b[K", strings.Repeat("█", full), strings.Repeat("░", width-full), 100*part, items, rate, left)
}

// end leaves the bar's line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}
