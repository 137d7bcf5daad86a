package engine

import (
	"runtime"
	"time"
)

// pace is how fast entries come back committed. While one is in flight, commands that come
// wait for it, up to Config.Gather of them, and make one entry together: the log would not
// write theirs any earlier, and waking the loop, an entry, a root and a round of answers
// for each of them costs more than it brings.
type pace struct {
	sent []time.Time   // when those in flight were proposed, in order
	took time.Duration // until the commit of the newest that is committed
}

// proposed takes note of an entry that is in flight now.
func (p *pace) proposed() { p.sent = append(p.sent, time.Now()) }

// left takes note that so many are in flight still; the others, the oldest, are committed.
func (p *pace) left(inflight int) {
	if n := len(p.sent) - inflight; n > 0 {
		p.took = time.Since(p.sent[n-1])
		p.sent = append(p.sent[:0], p.sent[n:]...)
	}
}

// quickCommit is where that ends: when commits take longer, over a wide network, several
// entries in flight at once are what makes writes fast.
const quickCommit = 2 * time.Millisecond

// least is how many commands in the inbox are worth an entry. e.mu is held.
func (e *Engine) least() int {
	if e.ex.Inflight() == 0 || e.closing || e.cfg.Manual || e.pace.took > quickCommit {
		return 1
	}
	return e.cfg.Gather
}

const (
	gatherMost  = 60 * time.Microsecond // that an entry waits for writers, less than a commit takes
	gatherQuiet = 5 * time.Microsecond  // without another command, after which nobody is waited for
	quietYields = 1000                  // the same where the clock does not go on, as in a test's bubble
)

// gather waits for the commands of those who were just answered, if they come back at
// once, as callers in this process do: all of them in one entry cost one commit. Otherwise
// writers fall into groups that take turns, each as small as what came while the entry of
// another was on its way.
func (e *Engine) gather(answered int) {
	begun := time.Now()
	changed, last, quiet := begun, -1, 0
	for {
		runtime.Gosched()
		have, now := e.waiting(), time.Now()
		if quiet++; have != last {
			last, changed, quiet = have, now, 0
		}
		if have >= answered || quiet == quietYields || now.Sub(begun) >= gatherMost || now.Sub(changed) >= gatherQuiet {
			return
		}
	}
}

// waiting returns how many commands have come and were not taken yet.
func (e *Engine) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.inbox.calls)
}
