package engine

import "github.com/lithair/lithair-go/eventlog"

// Checkpoint is the hash of the state that holds the log up to an index, the same on every node
// that has applied what the log says. The indexes are the same everywhere, too.
type Checkpoint struct {
	Index uint64
	Hash  [16]byte
}

// checkpoints is an [Order] that is told of them, and compares them with those of other nodes.
type checkpoints interface {
	Checkpoint(index uint64, hash [16]byte)
}

// checkpointed notes the hash behind a record, where one is due. The committed state stands there.
func (ex *Executor) checkpointed(r *eventlog.Record) {
	if r.Index%uint64(ex.cfg.CheckpointEvery) == 0 {
		ex.checkpoints = append(ex.checkpoints, Checkpoint{r.Index, ex.committed.Hash()})
	}
}

// TakeCheckpoints returns those since the last time. There are none of a replay.
func (ex *Executor) TakeCheckpoints() []Checkpoint {
	list := ex.checkpoints
	ex.checkpoints = nil
	return list
}

// reportCheckpoints hands them to the order.
func (e *Engine) reportCheckpoints() {
	list := e.ex.TakeCheckpoints()
	if o, ok := e.order.(checkpoints); ok {
		for _, c := range list {
			o.Checkpoint(c.Index, c.Hash)
		}
	}
}
