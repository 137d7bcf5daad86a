package engine

import "time"

// lookEvery bounds how long the engine sleeps while something is to come due: the clock
// may jump.
const lookEvery = time.Minute

// lookAgain is how long the engine waits when something is due and nothing came of it, as
// on a full disk.
const lookAgain = time.Second

// alarm wakes the loop when something comes due, though no command comes. It belongs to
// the loop.
type alarm struct {
	timer *time.Timer
	at    int64 // Unix ns; 0: none
	rang  bool
	seq   uint64 // of the head when it rang
}

// ring notes that the alarm has gone off.
func (a *alarm) ring(head uint64) { a.at, a.rang, a.seq = 0, true, head }

// set sees to it that the loop is woken in time, and reports what could not be removed.
func (a *alarm) set(e *Engine) {
	for i, s := range e.ex.TakeStuck() {
		if i < 3 { // one round may find many of the same kind
			e.log.Warn("a record past its retention cannot be removed and will be tried again", "model", s.Model, "key", s.Key, "error", s.Cause)
		}
	}
	if e.ex.ticked {
		return // it looks as soon as it can
	}
	at, ok := e.ex.NextDue()
	if ok && at == a.at {
		return
	}
	if a.stop(); !ok {
		return
	}
	wait := min(time.Duration(at-e.cfg.Clock().UnixNano()), lookEvery)
	if a.rang && e.ex.head.Seq() == a.seq {
		wait = max(wait, lookAgain)
	}
	a.at, a.rang = at, false
	a.timer = time.AfterFunc(max(wait, 0), func() { e.tell(event{tick: true}) })
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer, a.at = nil, 0
}
