package lithair

import (
	"iter"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/state"
)

// Version is what a transaction made of one record.
type Version[T any] struct {
	Index     uint64 // of the transaction
	Time      time.Time
	Actor     string
	RequestID string
	Command   string
	Created   bool // it made the record; otherwise it changed it
	Record    T    // as it was afterwards
}

// Versions iterates over the versions of a record that its model keeps as state, newest
// first: as many as lifecycle:"versioned=N" says, however much of the log is left. Of
// other models there are none. A key that cannot be one, or a version that cannot be
// read, is an error, which ends the iteration.
func (c *Collection[T]) Versions(r Reader, key any) iter.Seq2[Version[T], error] {
	return func(yield func(Version[T], error) bool) {
		c.base.versions(r, key, func(v engine.Version, err error) bool {
			var made Version[T]
			if err == nil {
				made = Version[T]{Index: v.Seq, Time: time.Unix(0, v.Time).UTC(), Actor: v.Actor, RequestID: v.RequestID, Command: v.Command, Created: v.Kind == state.Created}
				err = c.base.table.Codec().Decode(v.Record, &made.Record)
			}
			return yield(made, err) && err == nil
		})
	}
}

func (c *collection) versions(r Reader, key any, yield func(engine.Version, error) bool) {
	codec, err := c.codec()
	if err != nil {
		yield(engine.Version{}, err)
		return
	}
	k, err := codec.KeyOf(key)
	if err != nil {
		yield(engine.Version{}, err)
		return
	}
	c.app.engine.Versions(r.reader(), c.table, k)(yield)
}
