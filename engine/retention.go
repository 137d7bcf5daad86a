package engine

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/state"
)

const (
	// retireStep bounds how many records of one model one batch removes for their age,
	// so that no batch is long.
	retireStep = 256
	// retireAgain is how long records that could not be removed are left alone, such as
	// one that others refer to.
	retireAgain = time.Minute
)

// retired is how far the removal of a model's records has come.
type retired struct {
	failed int   // records at the front that could not be removed, in this round
	pause  int64 // until then, Unix ns
}

// RetentionError is a record that is due for removal and cannot be removed. It is tried
// again.
type RetentionError struct {
	Model, Key string
	Cause      error
}

// Error names the record and the reason.
func (e *RetentionError) Error() string {
	return fmt.Sprintf("engine: %s %s is past its retention and cannot be removed: %v", e.Model, e.Key, e.Cause)
}

// Unwrap returns Cause.
func (e *RetentionError) Unwrap() error { return e.Cause }

// overdue is the range, in the index on the time that the retention counts from, of the
// records that are to go at that time. A zero time is none.
func (t *Table) overdue(now int64) (field uint32, r state.Range) {
	f := t.Schema().Field(t.model.Since.Name)
	r.From = state.Prefix(string(binenc.AppendKeyTime(nil, time.Time{}))).To
	if f.Type.Optional {
		r.From = max(r.From, state.Prefix(string(binenc.AppendKeyNull(nil))).To)
	}
	r.To = state.Prefix(string(binenc.AppendKeyTime(nil, time.Unix(0, now).Add(-t.model.Retention)))).To
	return f.Number, r
}

// retire removes records that are past their retention, each in a system transaction of
// its own: what stands against one does not hold up the others.
func (ex *Executor) retire(b *batchRun) {
	for _, t := range ex.tables {
		if t.model.Retention == 0 || t.Schema() == nil {
			continue
		}
		at := ex.retiredOf(t)
		if b.now < at.pause {
			continue
		}
		field, span := t.overdue(b.now)
		span.Skip = at.failed
		var keys []string
		for key := range b.batch.ScanIndex(t.Number(), field, span) {
			if keys = append(keys, key); len(keys) == retireStep {
				break
			}
		}
		for _, key := range keys {
			ex.retireOne(b, t, key, at)
		}
		if len(keys) < retireStep && at.failed > 0 {
			at.failed, at.pause = 0, b.now+int64(retireAgain)
		}
	}
}

func (ex *Executor) retireOne(b *batchRun, t *Table, key string, at *retired) {
	if b.batch.Get(t.Number(), key) == nil {
		return // gone with another
	}
	c := &Call{ctx: context.Background(), system: true, cmd: Command{Name: "retention", Actor: System,
		Run: func(tx *Tx) (Answer, error) { return Answer{}, tx.Delete(t, key) }}}
	if b.run(c); c.Err != nil {
		at.failed++
		ex.stuck = append(ex.stuck, &RetentionError{Model: t.Name(), Key: t.Codec().KeyText(key), Cause: c.Err})
	}
}

func (ex *Executor) retiredOf(t *Table) *retired {
	if ex.retired == nil {
		ex.retired = map[*Table]*retired{}
	}
	if ex.retired[t] == nil {
		ex.retired[t] = &retired{}
	}
	return ex.retired[t]
}

// TakeStuck returns the records that were due for removal since the last time and could
// not be removed.
func (ex *Executor) TakeStuck() []*RetentionError {
	list := ex.stuck
	ex.stuck = nil
	return list
}

// NextDue returns when, in Unix nanoseconds, a record is next to be removed for its age;
// ok is false when none is, or when this node does not lead.
func (ex *Executor) NextDue() (at int64, ok bool) {
	if !ex.leading || !ex.declared || ex.failure != nil {
		return 0, false
	}
	at = math.MaxInt64
	for _, t := range ex.tables {
		if t.model.Retention == 0 || t.Schema() == nil {
			continue
		}
		due, any := ex.dueIn(t)
		if any {
			at, ok = min(at, due), true
		}
	}
	return at, ok
}

// dueIn returns when the first record of a table is to be removed.
func (ex *Executor) dueIn(t *Table) (at int64, ok bool) {
	field, span := t.overdue(0)
	r := ex.retiredOf(t)
	span.To, span.Skip = "", r.failed
	for _, row := range ex.head.ScanIndex(t.Number(), field, span) {
		f := t.Schema().ByNumber(field)
		raw, _, present := binenc.Lookup(row.Bytes(), field)
		key, err := binenc.AppendKeyRaw(nil, &f.Type, raw, present)
		if err != nil {
			return 0, false // not in the index, then
		}
		k := binenc.NewKeyReader(key)
		switch when := k.Time().Add(t.model.Retention); {
		case when.After(time.Unix(0, math.MaxInt64)):
			return 0, false // beyond what entries can be stamped with
		case when.Before(time.Unix(0, 0)):
			return max(0, r.pause), true
		default:
			return max(when.UnixNano(), r.pause), true
		}
	}
	return 0, false
}

// Tick says that something may be due: the next Execute looks, also without commands.
func (ex *Executor) Tick() { ex.ticked = true }
