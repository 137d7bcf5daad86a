package engine

import (
	"context"
	"runtime/debug"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// batchRun is one entry under construction.
type batchRun struct {
	ex    *Executor
	batch *state.Batch
	now   int64
	seq   uint64 // of the last transaction that changed something
	count uint64
	txs   []byte // as appendTx wrote them
	local bool   // local records were changed

	keys   []madeKey
	erased [][16]byte
}

// run executes one call and puts it among those waiting for a commit.
func (b *batchRun) run(c *Call) {
	ex := b.ex
	if !c.taken.CompareAndSwap(false, true) {
		return // withdrawn: nobody waits
	}
	if err := context.Cause(c.ctx); err != nil {
		ex.end(c, err)
		return
	}
	w := &ex.work
	w.ex, w.call, w.batch = ex, c, b.batch
	tx := &Tx{work: w, now: b.now, seq: b.seq + 1}
	mark := b.batch.Mark()
	if ex.cfg.Running != nil {
		ex.cfg.Running(c)
	}
	c.Err = tx.execute()
	tx.work = nil
	defer w.done()
	switch {
	case c.Err != nil:
		b.batch.Rollback(mark)
		ex.keys.drop(w.keys)
		c.Result.Seq = b.seq
	case w.count == 0:
		c.local = w.local > 0
		b.local = b.local || c.local
		if !c.Result.Replayed { // then it is the sequence of the first try
			c.Result.Seq = b.seq
		}
	default:
		b.seq++
		b.count++
		b.local = b.local || w.local > 0
		c.Result.Seq, c.wrote = b.seq, true
		ex.kept += w.kept
		b.keys, b.erased = append(b.keys, w.keys...), append(b.erased, w.erased...)
		if w.schema {
			ex.schemaSeq = b.seq
		}
		b.add(w)
		b.batch.Forget() // no other transaction takes it back
	}
	c.wait = b.seq
	if !c.wrote && !c.Result.Replayed && !c.system {
		c.round, ex.doubtful = ex.round, ex.round
	}
	ex.waiting = append(ex.waiting, c)
}

// keptBuffer bounds the buffers that are used again.
const keptBuffer = 1 << 20

// done makes ready for the next transaction.
func (w *work) done() {
	if cap(w.events) > keptBuffer {
		w.events = nil
	}
	*w = work{events: w.events[:0]}
}

func (b *batchRun) add(w *work) {
	c := &w.call.cmd
	t := Transaction{Actor: c.Actor, RequestID: c.RequestID, TraceID: c.TraceID, Command: c.Name, SchemaVersion: b.ex.schemaSeq}
	if c.IdemKey != "" {
		id := storedID(c)
		t.IdemKey = id[:]
	}
	b.txs, b.ex.scratch = appendTx(b.txs, &t, w.events, b.ex.scratch)
}

// execute runs the function with everything around it. A panic is an error.
func (tx *Tx) execute() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	c := tx.call
	var id model.ID
	if c.cmd.IdemKey != "" {
		id = storedID(&c.cmd)
		ans, seq, found, err := tx.replay(id)
		if err != nil {
			return err
		}
		if found {
			c.Result = Result{Answer: ans, Seq: seq, Replayed: true}
			return nil
		}
	}
	ans, err := c.cmd.Run(tx)
	if err != nil {
		return err
	}
	if err := tx.finish(); err != nil {
		return err
	}
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	c.Result.Answer = ans
	if c.cmd.IdemKey != "" {
		return tx.remember(id, ans)
	}
	return nil
}
