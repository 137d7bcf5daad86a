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
	tx := &Tx{ex: ex, call: c, batch: b.batch, now: b.now, seq: b.seq + 1, ids: ex.ids, events: ex.events[:0]}
	mark := b.batch.Mark()
	if ex.cfg.Running != nil {
		ex.cfg.Running(c)
	}
	c.Err = tx.execute()
	if ex.cfg.Running != nil {
		ex.cfg.Running(nil)
	}
	tx.batch = nil
	defer tx.done()
	switch {
	case c.Err != nil:
		b.batch.Rollback(mark)
		ex.keys.drop(tx.keys)
		c.Result.Seq = b.seq
	case tx.count == 0:
		c.local = tx.local > 0
		b.local = b.local || c.local
		if !c.Result.Replayed { // then it is the sequence of the first try
			c.Result.Seq = b.seq
		}
	default:
		b.seq++
		b.count++
		b.local = b.local || tx.local > 0
		c.Result.Seq, c.wrote = b.seq, true
		ex.kept += tx.kept
		b.keys, b.erased = append(b.keys, tx.keys...), append(b.erased, tx.erased...)
		if tx.schema {
			ex.schemaSeq = b.seq
		}
		b.add(tx)
	}
	c.wait = b.seq
	if !c.wrote && !c.Result.Replayed && !c.system {
		c.round, ex.doubtful = ex.round, ex.round
	}
	ex.waiting = append(ex.waiting, c)
}

// keptBuffer bounds the buffers that are used again.
const keptBuffer = 1 << 20

// done gives the transaction's buffer back.
func (tx *Tx) done() {
	if tx.ex.events = tx.events; cap(tx.events) > keptBuffer {
		tx.ex.events = nil
	}
	tx.events = nil
}

func (b *batchRun) add(tx *Tx) {
	c := &tx.call.cmd
	t := Transaction{Actor: c.Actor, RequestID: c.RequestID, TraceID: c.TraceID, Command: c.Name, SchemaVersion: b.ex.schemaSeq}
	if c.IdemKey != "" {
		id := storedID(c)
		t.IdemKey = id[:]
	}
	b.txs, b.ex.scratch = appendTx(b.txs, &t, tx.events, b.ex.scratch)
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
