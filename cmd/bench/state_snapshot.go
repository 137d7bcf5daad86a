package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/state"
)

var snapshotColumns = []column{
	{Name: "mb", Unit: "MB", Low: true},
	{Name: "cpu_ms", Unit: "CPU ms", Low: true},
}

// measureSnapshots looks at what a snapshot of the whole state costs, beside a file of
// changes when one record in a hundred has changed once, and beside the log that tells of the
// same changes.
func measureSnapshots(o stateOptions, rep *report) error {
	for _, size := range []int{100, 250} {
		title := fmt.Sprintf("snapshot of %d entities of %d bytes, 1 %% of them changed", o.records, size)
		all, names := map[string]samples{}, []string{"all of it, written", "all of it, read", "what has changed, written", "what has changed, read", "the log of the changes, applied"}
		for _, name := range names {
			all[name] = samples{}
		}
		e, err := newEntityMaker(size)
		if err != nil {
			return err
		}
		old, err := e.fill(o.records)
		if err != nil {
			return err
		}
		for range o.rounds {
			one, err := e.snapshotCosts(old, o.records)
			if err != nil {
				return err
			}
			for i, name := range names {
				all[name].add(one[i])
			}
		}
		rep.add(title, "CPU on all cores; the log's bytes are those of keys and changed fields", names, all, snapshotColumns)
	}
	return nil
}

// snapshotCosts returns the figures in the order of the names above.
func (e *entityMaker) snapshotCosts(old *state.Root, n int) (list [5]figures, err error) {
	const mb = 1 << 20
	cost := func(i int, fn func() (int64, error)) error {
		settled()
		begun := cpuNow()
		size, err := fn()
		list[i] = figures{"mb": float64(size) / mb, "cpu_ms": float64(cpuNow()-begun) / float64(time.Millisecond)}
		return err
	}
	events, logged, err := e.updates(old, n)
	if err != nil {
		return list, err
	}
	var now *state.Root
	if err := cost(4, func() (int64, error) {
		b := old.Begin()
		for i := range events {
			if err := b.Apply(old.Seq()+uint64(i)+1, events[i]); err != nil {
				return 0, err
			}
		}
		now = b.Seal(old.Seq()+uint64(len(events)), old.Time()+1)
		return logged, nil
	}); err != nil {
		return list, err
	}
	var file bytes.Buffer
	file.Grow(int(old.Size()) * 2)
	if err := cost(0, func() (int64, error) {
		err := now.WriteSnapshot(&file, nil)
		return int64(file.Len()), err
	}); err != nil {
		return list, err
	}
	if err := cost(1, func() (int64, error) {
		_, _, err := state.ReadSnapshot(bytes.NewReader(file.Bytes()), int64(file.Len()), state.RestoreOptions{})
		return int64(file.Len()), err
	}); err != nil {
		return list, err
	}
	file.Reset()
	if err := cost(2, func() (int64, error) {
		err := now.WriteChanges(&file, old, nil)
		return int64(file.Len()), err
	}); err != nil {
		return list, err
	}
	return list, cost(3, func() (int64, error) {
		_, _, err := state.ReadChanges(bytes.NewReader(file.Bytes()), int64(file.Len()), old)
		return int64(file.Len()), err
	})
}

// updates returns an event for every hundredth record, and how many bytes a log has of them.
func (e *entityMaker) updates(old *state.Root, n int) (events []state.Event, logged int64, err error) {
	for i := 0; i < n; i += 100 {
		key, _, err := e.make(i)
		if err != nil {
			return nil, 0, err
		}
		v := Entity{ID: scattered(i), Group: uint32(i % 1000), Name: "changed " + fmt.Sprint(old.Seq(), i), Text: e.text}
		rec, err := e.codec.Append(nil, &v)
		if err != nil {
			return nil, 0, err
		}
		patch, cleared, err := binenc.Diff(old.Get(1, key).Bytes(), rec, nil)
		if err != nil {
			return nil, 0, err
		}
		logged += int64(len(key) + len(patch))
		events = append(events, state.Event{Model: 1, Kind: state.Updated, Key: key, Fields: patch, Cleared: cleared})
	}
	return events, logged, nil
}
