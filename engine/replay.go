package engine

import (
	"fmt"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// Replay applies log records to a state, without executor, models or Go types. It belongs
// to one goroutine.
type Replay struct {
	base  *state.Root
	batch *state.Batch
	seq   uint64
	time  int64
	index uint64
	keys  bool // some came since base
}

// NewReplay begins at a state and the log index it stands at.
func NewReplay(base *state.Root, index uint64) *Replay {
	return &Replay{base: base, batch: base.Begin(), seq: base.Seq(), time: base.Time(), index: index}
}

// Seq returns the sequence reached.
func (p *Replay) Seq() uint64 { return p.seq }

// Index returns the log index of the last record that was applied whole.
func (p *Replay) Index() uint64 { return p.index }

// Apply applies the next record, of an entry the transactions with sequences up to last;
// those are passed over that the state has already, where it stands inside the entry.
// Payloads are not kept.
//
// Errors name the log index: an entry that cannot be decoded or does not continue the
// sequence, a *state.FactError.
func (p *Replay) Apply(r eventlog.Record, last uint64) error {
	if r.Kind == KindKey {
		if err := applyKey(p.batch, p.seq, &r); err != nil {
			return err
		}
		p.keys = true
	}
	if r.Kind != KindBatch {
		p.index = r.Index
		return nil
	}
	h, err := decodeEntryHead(r.Payload)
	if err == nil && (h.first > p.seq+1 || h.first+h.count-1 <= p.seq) {
		err = fmt.Errorf("the entry holds the sequences %d to %d, the state ends at %d", h.first, h.first+h.count-1, p.seq)
	}
	if err == nil {
		err = eachTx(h, func(seq uint64, msg []byte) error {
			if seq > last || seq <= p.seq {
				return nil
			}
			p.seq = seq
			_, err := applyTx(p.batch, seq, msg)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("log index %d: %w", r.Index, err)
	}
	p.batch.Forget()
	p.time = r.Time
	if p.seq == h.first+h.count-1 {
		p.index = r.Index
	}
	return nil
}

// Root returns the state that was reached. Apply may go on from there.
func (p *Replay) Root() *state.Root {
	if p.seq != p.base.Seq() || p.keys {
		p.keys = false
		p.base = p.batch.Seal(p.seq, p.time)
		p.batch = p.base.Begin()
	}
	return p.base
}

// EntrySpan returns the sequence of the first transaction in the payload of a record of
// [KindBatch], and how many there are.
func EntrySpan(payload []byte) (first, count uint64, err error) {
	h, err := decodeEntryHead(payload)
	return h.first, h.count, err
}

// CutEntry returns the payload of an entry shortened to the transactions up to a
// sequence, of which there must be one: the entry of a log that goes another way from
// there on.
func CutEntry(payload []byte, last uint64) ([]byte, error) {
	h, err := decodeEntryHead(payload)
	if err != nil {
		return nil, err
	}
	var txs []byte
	count := uint64(0)
	err = eachTx(h, func(seq uint64, msg []byte) error {
		if seq <= last {
			txs = binenc.AppendBytes(txs, msg)
			count++
		}
		return nil
	})
	if err == nil && count == 0 {
		err = fmt.Errorf("engine: the entry begins at sequence %d, behind %d", h.first, last)
	}
	return encodeEntry(h.first, count, txs), err
}
