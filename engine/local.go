package engine

import (
	"fmt"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Models with persist:"memory_only" are local models of the state (state.LocalModel):
// transactions read and change them as others, with all their rules, but what they change
// is neither logged nor replicated. It becomes visible with the transaction, is taken back
// with it, and lives on the node that ran it, as long as the process does.

// addLocal gives the state the local models of the registered tables.
func (ex *Executor) addLocal() error {
	var schemas []*model.Schema
	for _, t := range ex.tables {
		if !t.model.MemoryOnly {
			continue
		}
		s, _, err := t.model.Evolve(nil)
		if err != nil {
			return err
		}
		s.Number = state.LocalModel + uint32(len(schemas))
		schemas = append(schemas, s)
	}
	ex.commit(ex.committed.WithLocal(schemas, ex.cfg.Entropy()>>16))
	ex.head = ex.committed
	for _, t := range ex.tables {
		if t.model.MemoryOnly {
			if err := bindTables([]*Table{t}, ex.committed); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt takes a root that differs from the head in local records alone. What it was made
// of may still be in flight: it becomes visible with that.
func (ex *Executor) adopt(root *state.Root) {
	ex.head = root
	if n := len(ex.inflight); n > 0 {
		ex.inflight[n-1].root = root
		return
	}
	ex.commit(root)
}

// recordLocal applies a change of a local record.
func (tx *Tx) recordLocal(ev state.Event) error {
	tx.local += int64(len(ev.Fields) + len(ev.Key) + 1)
	if tx.local > tx.ex.cfg.MaxTxBytes {
		return &TooLargeError{What: "the transaction", Limit: tx.ex.cfg.MaxTxBytes, Got: tx.local}
	}
	return tx.batch.Apply(tx.seq, ev)
}

// checkLocal refuses models and references that cannot be kept local. stored are the
// declarations in the log.
func checkLocal(tables []*Table, stored map[string]*model.Schema) error {
	local := map[string]bool{}
	for _, t := range tables {
		if !t.model.MemoryOnly {
			continue
		}
		if stored[t.model.Name] != nil {
			return &model.TagError{Type: t.model.Type.String(), Tag: "persist", Problem: "memory_only: the log holds records of this model, which would no longer be seen; give the model another name, or keep it in the log"}
		}
		local[t.model.Name] = true
	}
	for _, t := range tables {
		for _, f := range t.model.Fields {
			if local[f.FK] {
				return &model.TagError{Type: t.model.Type.String(), Field: f.GoName, Tag: "lithair",
					Problem: fmt.Sprintf("fk=%s: %s is memory_only: its records differ from node to node and end with the process, so that nothing can refer to them", f.FK, f.FK)}
			}
		}
	}
	return nil
}
