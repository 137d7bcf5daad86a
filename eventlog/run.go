package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"
)

// wait waits until p is done. A writer that is alone does the work itself, which spares
// it two switches to another goroutine. One that joins others leaves it to the log's
// goroutine, which lets more of them come first (see drain). l.mu is held, and is not on
// return.
func (l *Log) wait(p *pending) error {
	if !l.cfg.Manual && !l.busy && !l.gathers && l.queue[0] == p && p.waiting == nil {
		w, _ := l.begin()
		l.mu.Unlock()
		return l.end(w, w.Do())
	}
	l.rouse()
	o := p.waiting
	if o == nil {
		o = &outcome{ended: make(chan struct{})}
		p.waiting = o
	}
	l.mu.Unlock()
	<-o.ended
	return o.err
}

// signal wakes the log's goroutine when there is something for it to do, or has it woken
// later, for a mark. l.mu is held.
func (l *Log) signal() {
	if !l.cfg.Manual && l.tendDue() {
		l.tenders.Go(func() {
			if err := l.Tend(); err != nil && !errors.Is(err, errStopping) {
				level := slog.LevelInfo
				if _, corrupt := errors.AsType[*CorruptError](err); corrupt {
					level = slog.LevelError
				}
				l.cfg.Logger.Log(context.Background(), level, "something behind the appends failed: the next segment was not made ahead of need, or a sealed one not compressed or indexed", "error", err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.tending = false
		})
	}
	switch {
	case len(l.queue) > 0 || l.wantEnd:
		l.wake.Signal()
	case l.idle != nil && !l.timed && l.unmarked():
		l.timed = true
		l.idle.Reset(l.cfg.MarkAfter)
	}
}

// run is the log's goroutine: it does what is queued while others do not, and writes a
// mark when the log is idle.
func (l *Log) run() {
	defer close(l.ended)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = time.AfterFunc(time.Hour, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.timed = false
		l.wake.Signal()
	})
	l.idle.Stop()
	defer l.idle.Stop()
	l.signal() // a log that was opened may need a mark
	for {
		switch {
		case l.busy: // a lone writer
			l.wake.Wait()
		case len(l.queue) > 0:
			l.mu.Unlock()
			l.drain()
			l.mu.Lock()
		case l.wantEnd:
			return
		case l.unmarked() && !l.timed:
			if left := l.cfg.MarkAfter - time.Since(l.worked); left > 0 {
				l.timed = true
				l.idle.Reset(left)
				continue
			}
			l.mu.Unlock()
			if err := l.mark(); err != nil {
				l.cfg.Logger.Warn("no durable mark could be written", "error", err)
			}
			l.mu.Lock()
		default:
			l.wake.Wait()
		}
	}
}

// drain does what is queued. Where several waited for a work, the next begins when they
// had the time to come back with another record: see gather.
func (l *Log) drain() {
	for {
		w, ok := l.Begin()
		if !ok {
			return
		}
		waited := 0
		if w.taken != nil && len(w.taken.digests) > 1 && w.taken.waiting != nil {
			waited = len(w.taken.digests)
		}
		err := w.Do()
		l.setGathers(waited > 0)
		l.End(w, err)
		if waited > 0 {
			l.gather(waited)
			l.setGathers(false)
		}
	}
}

const (
	gatherMost  = 60 * time.Microsecond // that a batch waits for writers, less than a sync takes
	gatherQuiet = 5 * time.Microsecond  // without another record, after which nobody is waited for
	quietYields = 1000                  // the same where the clock does not go on, as in a test's bubble
)

// gather waits until those who were just woken have appended again, or do not seem to
// come. Woken writers mostly come back with another record, and a batch that holds them
// all costs the same sync as one with those alone who came while the last was under way:
// otherwise the writers fall into two halves that take turns.
func (l *Log) gather(waited int) {
	begun := time.Now()
	changed, want, last, quiet := begun, 0, -1, 0
	for {
		runtime.Gosched()
		have := l.gathered()
		if want == 0 {
			want = have + waited
		}
		now := time.Now()
		if quiet++; have != last {
			last, changed, quiet = have, now, 0
		}
		if have >= want || quiet == quietYields || now.Sub(begun) >= gatherMost || now.Sub(changed) >= gatherQuiet {
			return
		}
	}
}

// setGathers says whether the log's goroutine is about to begin a work, so that no writer
// does.
func (l *Log) setGathers(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gathers = on
}

// gathered returns how many records the next batch has.
func (l *Log) gathered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return 0
	}
	return len(l.queue[0].digests)
}
