package engine

import (
	"context"
	"errors"

	"github.com/lithair/lithair-go/state"
)

// With Config.Manual an engine has no goroutine and no timer, so that whole nodes run in
// one goroutine from one seed: its owner hands in commands by Submit, has them carried out
// by Step, and looks whether they, and reads begun by Ask, have come to an end. What a pass
// does is the same in both. Start returns at once, whoever leads; snapshots are written
// when Snapshot is called; Committed hooks, and methods that wait, do not go with it.

// Submit queues a command; the call says when it is done. For Manual engines.
//
// Errors: [ErrBusy], [ErrClosed], [ErrNotLeader] after a failure.
func (e *Engine) Submit(c *Call) error { return e.enqueue(c) }

// Due says whether Step has something to do.
func (e *Engine) Due() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.started && !e.stopped() && (e.hasWork() || e.comesDue())
}

// Step does what has come in since the last one, once, on a Manual engine. It reports false
// when the engine has stopped, see Err.
func (e *Engine) Step() (goesOn bool) {
	if e.stopped() {
		return false
	}
	if e.comesDue() {
		e.ex.Tick()
	}
	if e.pass() {
		if err := e.eraseKeys(); err != nil { // with the next step, again
			e.log.Error("an erasure is not complete; it is tried again", "error", err)
		}
		return true
	}
	close(e.idle)
	return false
}

// comesDue says whether something is to happen by now though nobody asks for it.
func (e *Engine) comesDue() bool {
	at, ok := e.ex.NextDue()
	return ok && !e.ex.ticked && at <= e.cfg.Clock().UnixNano()
}

func (e *Engine) stopped() bool {
	select {
	case <-e.idle:
		return true
	default:
		return false
	}
}

// startManual is the end of Start without a goroutine.
func (e *Engine) startManual() error {
	if len(e.hooks) > 0 {
		return errors.New("engine: Committed hooks need goroutines, which Config.Manual excludes")
	}
	restored := e.restored
	e.restored = nil
	close(e.snapsDone)
	return e.verifyRestored(context.Background(), restored)
}

// endManual stops a Manual engine: nobody would step it while Close waits.
func (e *Engine) endManual() {
	if !e.stopped() {
		e.stop(ErrClosed)
		close(e.idle)
	}
}

// Read is a read on its way to a root that is fresh enough.
type Read struct {
	e *Engine
	b *barrier // nil: it need not wait
}

// Ask begins a read at that level, as Barrier does, and returns at once.
func (e *Engine) Ask(level Level) (*Read, error) {
	r := &Read{e: e}
	if level == None || level == Weak && !e.Follows() {
		return r, nil
	}
	var err error
	r.b, err = e.askOrder(max(level, Linearizable))
	return r, err
}

// Poll returns the root on which the read may be served, or why there is none; done is
// false while neither is known.
func (r *Read) Poll() (root *state.Root, done bool, err error) {
	if r.b == nil {
		return r.e.Root(), true, nil
	}
	select {
	case <-r.b.done:
	default:
		return nil, false, nil
	}
	switch {
	case r.b.err != nil:
		return nil, true, r.b.err
	case r.e.isApplied(r.b.index):
		return r.e.Root(), true, nil
	case r.e.stopped():
		return nil, true, ErrClosed
	}
	return nil, false, nil
}

// Drop gives the read up.
func (r *Read) Drop() {
	if r.b != nil {
		r.e.forgetBarrier(r.b)
	}
}
