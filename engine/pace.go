package engine

import "time"

// pace is how fast entries come back committed. While one is in flight, commands that come
// wait for it, up to Config.Gather of them, and make one entry together: the log would not
// write theirs any earlier, and waking the loop, an entry, a root and a round of answers
// for each of them costs more than it brings.
type pace struct {
	sent time.Time     // when the oldest entry in flight, or the last one, was proposed
	took time.Duration // until the last commit
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
