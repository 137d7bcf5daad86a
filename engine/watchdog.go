package engine

import (
	"bytes"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"
)

// suspectAfter is how long a transaction function runs before those who wait look
// whether it is they who block it, see inside.
const suspectAfter = 20 * time.Millisecond

// watchdog looks after functions that run long on the executor's goroutine: it names
// the slow ones in the log, and wakes callers that may be waiting for themselves.
type watchdog struct {
	log       *slog.Logger
	slow      time.Duration
	timer     *time.Timer
	current   atomic.Pointer[running]
	suspect   func() // has callers that wait look whether they block themselves
	goroutine []byte // "goroutine 12 [": how the executor's stack begins in a dump
}

// running is the function that runs now. It is part of its call.
type running struct {
	call     *Call
	since    time.Time
	reported atomic.Bool
}

func newWatchdog(log *slog.Logger, slow time.Duration, suspect func()) *watchdog {
	w := &watchdog{log: log, slow: slow, suspect: suspect}
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Stop()
	return w
}

// enter is called on the goroutine to be watched.
func (w *watchdog) enter() {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	if i := bytes.IndexByte(buf, '['); i > 0 {
		w.goroutine = buf[:i+1]
	}
}

// arm and disarm stand around every batch.
func (w *watchdog) arm()    { w.timer.Reset(suspectAfter) }
func (w *watchdog) disarm() { w.timer.Stop() }

// running is told which function runs; nil: none.
func (w *watchdog) running(c *Call) {
	if c == nil {
		if r := w.current.Swap(nil); r != nil {
			w.report(r, "") // where the timer came too late for a stack
		}
		return
	}
	c.watch.call, c.watch.since = c, time.Now()
	w.current.Store(&c.watch)
}

// look runs when a batch has taken long.
func (w *watchdog) look() {
	r := w.current.Load()
	if r == nil {
		return
	}
	w.suspect()
	took := time.Since(r.since)
	if took >= w.slow && !r.reported.Load() {
		w.report(r, w.stack())
	}
	w.timer.Reset(max(suspectAfter, min(w.slow-took, w.slow)))
}

// report names a function in the log, once, if it is slow.
func (w *watchdog) report(r *running, stack string) {
	took := time.Since(r.since)
	if took < w.slow || !r.reported.CompareAndSwap(false, true) {
		return
	}
	w.log.Warn("slow transaction: nobody else can write while it runs",
		"command", r.call.Name(), "request_id", r.call.cmd.RequestID, "running_for", took.Round(time.Millisecond).String(), "stack", stack)
}

// stack returns the watched goroutine's stack.
func (w *watchdog) stack() string {
	buf := make([]byte, 1<<20)
	dump := buf[:runtime.Stack(buf, true)]
	for _, part := range bytes.Split(dump, []byte("\n\n")) {
		if len(w.goroutine) > 0 && bytes.HasPrefix(part, w.goroutine) {
			return string(part)
		}
	}
	return ""
}

// inside says whether the calling goroutine is the one watched: then it is inside of a
// transaction function, however deep. Dumps name goroutines by number; nothing cheaper
// does, which is why it is asked only on suspicion.
func (w *watchdog) inside() bool {
	buf := make([]byte, 64)
	return len(w.goroutine) > 0 && bytes.HasPrefix(buf[:runtime.Stack(buf, false)], w.goroutine)
}
