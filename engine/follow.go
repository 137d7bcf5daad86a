package engine

import (
	"fmt"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// following is the committed state under construction from entries made elsewhere, or
// before a restart.
type following struct {
	batch  *state.Batch
	seq    uint64
	now    int64
	schema bool // a model was declared
}

// Replay applies records that were final before this process began. The state is put
// together over all of them: EndReplay makes it the committed one.
func (ex *Executor) Replay(records []eventlog.Record) {
	if ex.replay == nil {
		ex.replay = ex.follow()
	}
	if err := ex.applyTo(ex.replay, records); err != nil {
		ex.fail(err)
	}
}

// EndReplay ends a replay, if there is one.
func (ex *Executor) EndReplay() {
	if ex.replay != nil && ex.failure == nil {
		ex.settle(ex.replay)
	}
	ex.replay = nil
}

func (ex *Executor) follow() *following {
	return &following{batch: ex.committed.Begin(), seq: ex.committed.Seq(), now: ex.committed.Time()}
}

// apply applies entries made elsewhere.
func (ex *Executor) apply(records []eventlog.Record) error {
	ex.EndReplay()
	f := ex.follow()
	if err := ex.applyTo(f, records); err != nil {
		return err
	}
	ex.settle(f)
	return nil
}

func (ex *Executor) applyTo(f *following, records []eventlog.Record) error {
	for _, r := range records {
		if r.Kind == KindKey {
			if err := applyKey(f.batch, f.seq, &r); err != nil {
				return err
			}
		}
		if r.Kind == KindBatch {
			h, err := decodeEntryHead(r.Payload)
			if err != nil {
				return fmt.Errorf("log index %d: %w", r.Index, err)
			}
			if h.first != f.seq+1 {
				return fmt.Errorf("engine: log index %d begins at sequence %d, the state ends at %d", r.Index, h.first, f.seq)
			}
			err = eachTx(h, func(s uint64, msg []byte) error {
				f.seq = s
				done, err := applyTx(f.batch, s, msg)
				if done.schema {
					f.schema, ex.schemaSeq = true, s
				}
				ex.erased = append(ex.erased, done.erased...)
				return err
			})
			if err != nil {
				return fmt.Errorf("log index %d: %w", r.Index, err)
			}
			f.now = r.Time
			f.batch.Forget() // facts are not taken back
		}
		ex.applied = r.Index
		if ex.replay == nil && r.Index%uint64(ex.cfg.CheckpointEvery) == 0 {
			ex.settle(f)
			*f = *ex.follow()
			ex.checkpointed(&r)
		}
	}
	return nil
}

// settle makes what was put together the committed state.
func (ex *Executor) settle(f *following) {
	ex.commit(f.batch.Seal(f.seq, f.now))
	ex.head = ex.committed
	if f.schema {
		rebindTables(ex.tables, ex.committed)
	}
}

// applied is what a transaction did besides changing records.
type applied struct {
	schema bool       // a model was declared
	erased [][16]byte // ids of keys that were destroyed
}

// applyTx applies one transaction's events.
func applyTx(batch *state.Batch, seq uint64, msg []byte) (done applied, err error) {
	events, err := txEvents(msg)
	if err != nil {
		return done, err
	}
	err = eachEvent(events, func(ev state.Event) error {
		done.schema = done.schema || ev.Model == state.SchemaModel
		if err := batch.Apply(seq, ev); err != nil {
			return err
		}
		if ev.Model == state.KeyModel {
			done.erased = append(done.erased, [16]byte([]byte(ev.Key)))
		}
		return nil
	})
	return done, err
}
