package engine

import (
	"context"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// EachKept calls fn with the bytes of every record of every state that can be read: the
// newest, the oldest, and all that happened between. It ends when fn returns false. The
// bytes are valid during the call only, and must not be changed; some come more than once.
// Meanwhile nothing is let go of. It takes time in proportion to state and log.
//
// Errors: those of the log and of the snapshots; [ErrClosed]; ctx's.
func (e *Engine) EachKept(ctx context.Context, fn func(b []byte) (more bool)) error {
	if !eachRow(e.Root(), fn) {
		return context.Cause(ctx)
	}
	return e.Export(ctx, func(x *Export) error {
		if x.Snapshot != nil {
			root, _, err := state.ReadSnapshot(x.Snapshot, x.Size, state.RestoreOptions{})
			if err != nil || !eachRow(root, fn) {
				return err
			}
		}
		more := true
		return x.Records(func(r eventlog.Record) error {
			if more && r.Kind == KindBatch {
				more = fn(r.Payload)
			}
			return nil
		})
	})
}

func eachRow(root *state.Root, fn func(b []byte) bool) bool {
	for _, s := range root.Models() {
		for _, row := range root.Scan(s.Number, state.Range{}) {
			if !fn(row.Bytes()) {
				return false
			}
		}
	}
	return true
}
