package engine

import (
	"bytes"
	"log/slog"
	"runtime"
	"sync"
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
	suspect   func() // has callers that wait look whether they block themselves
	goroutine []byte // "goroutine 12 [": how the executor's stack begins in a dump

	mu  sync.Mutex
	now running
}

// running is the function that runs now.
type running struct {
	call     *Call // nil: none
	since    time.Time
	reported bool
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
func (w *watchdog) arm() { w.timer.Reset(suspectAfter) }

func (w *watchdog) disarm() {
	w.timer.Stop()
	w.running(nil)
}

// running is told which function runs; nil: none. That before has ended.
func (w *watchdog) running(c *Call) {
	next := running{call: c, since: time.Now()}
	w.mu.Lock()
	last := w.now
	w.now = next
	w.mu.Unlock()
	if last.call != nil && !last.reported && next.since.Sub(last.since) >= w.slow {
		w.report(last.call.cmd.Name, last.call.cmd.RequestID, next.since.Sub(last.since), "") // the timer came too late for a stack
	}
}

// look runs when a batch has taken long.
func (w *watchdog) look() {
	w.mu.Lock()
	r := w.now
	if r.call == nil {
		w.mu.Unlock()
		return
	}
	took := time.Since(r.since)
	slow := took >= w.slow && !r.reported
	w.now.reported = r.reported || slow
	name, request := r.call.cmd.Name, r.call.cmd.RequestID // while it runs the call is its caller's
	w.mu.Unlock()
	w.suspect()
	if slow {
		w.report(name, request, took, w.stack())
	}
	w.timer.Reset(max(suspectAfter, min(w.slow-took, w.slow)))
}

// report names a slow function in the log.
func (w *watchdog) report(name, request string, took time.Duration, stack string) {
	w.log.Warn("slow transaction: nobody else can write while it runs",
		"command", name, "request_id", request, "running_for", took.Round(time.Millisecond).String(), "stack", stack)
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
