package eventlog

import (
	"errors"
	"runtime"
	"time"
)

// wait waits until p is done. A writer that is alone does the work itself, which spares
// it two switches to another goroutine. l.mu is held, and is not on return.
func (l *Log) wait(p *pending) error {
	if !l.cfg.Manual && !l.busy && l.queue[0] == p {
		w, _ := l.begin()
		l.mu.Unlock()
		return l.end(w, w.Do())
	}
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
				l.cfg.Logger.Info("the next log segment could not be made ahead of need, or an index file not written", "error", err)
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

// drain does what is queued. Where several wait for a work, they are let run before the
// next begins: woken writers mostly come back with another record, and a batch that
// holds them all costs the same sync as one with the first of them. Measured with 64
// writers of 256 bytes, it doubles the size of a batch.
func (l *Log) drain() {
	for {
		w, ok := l.Begin()
		if !ok {
			return
		}
		several := w.taken != nil && len(w.taken.digests) > 1 && w.taken.waiting != nil
		l.End(w, w.Do())
		if several {
			runtime.Gosched()
		}
	}
}
