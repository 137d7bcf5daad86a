package eventlog_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// everyFile reads all files of a simulated disk.
func everyFile(t *testing.T, sim *disk.Sim) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range sim.Files() {
		b, err := disk.ReadFile(sim, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

// TestReadOnly reads a log with a torn tail, and changes no byte of it.
func TestReadOnly(t *testing.T) {
	sim := disk.NewSim(1)
	if _, err := eventlog.OpenReadOnly(eventlog.Config{Dir: "log", FS: sim}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a directory that is not there: %v", err)
	}
	l, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, SegmentBytes: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if _, err := l.Add(eventlog.Record{Kind: 16, Payload: fmt.Appendf(nil, "payload %d %0200d", i, i)}); err != nil {
			t.Fatal(err)
		}
	}
	index, chain := l.Chain()
	if _, err := eventlog.OpenReadOnly(eventlog.Config{Dir: "log", FS: sim}); !errors.As(err, new(*disk.LockedError)) {
		t.Errorf("while another has it open: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before := everyFile(t, sim)
	r, err := eventlog.OpenReadOnly(eventlog.Config{Dir: "log", FS: sim})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := r.Replay(1, func(rec eventlog.Record) error {
		if want := fmt.Sprintf("payload %d %0200d", n, n); string(rec.Payload) != want {
			t.Errorf("record %d: %q", rec.Index, rec.Payload)
		}
		n++
		return nil
	}); err != nil || n != 40 {
		t.Errorf("%d records, %v", n, err)
	}
	if i, sum := r.Chain(); i != index || sum != chain {
		t.Errorf("chain at %d", i)
	}
	for what, err := range map[string]error{"append": r.Append(eventlog.Record{Index: index + 1}), "truncate": r.TruncateAfter(1), "compact": r.TruncateBefore(30)} {
		if !errors.Is(err, eventlog.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	after := everyFile(t, sim)
	for name, b := range before {
		if after[name] != b {
			t.Errorf("%s changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, now %d", len(before), len(after))
	}
}

// TestBegin continues a log behind a position of another one: the chain goes on as if
// the records before were there.
func TestBegin(t *testing.T) {
	sim := disk.NewSim(2)
	rec := func(i uint64) eventlog.Record {
		return eventlog.Record{Index: i, Term: 3, Time: int64(i), Kind: 16, Payload: fmt.Appendf(nil, "r%d", i)}
	}
	whole, err := eventlog.Open(eventlog.Config{Dir: "whole", FS: sim})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(20) {
		if err := whole.Append(rec(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	at, err := whole.Position(12)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // made, then opened again: Begin has no say in a log that is there
		part, err := eventlog.Open(eventlog.Config{Dir: "part", FS: sim, Begin: at})
		if err != nil {
			t.Fatal(err)
		}
		if part.First() != 13 {
			t.Errorf("begins at %d", part.First())
		}
		if sum, err := part.ChainAt(12); err != nil || sum != at.Chain {
			t.Errorf("chain before: %x, %v", sum, err)
		}
		for i := part.Last() + 1; i <= 20; i++ {
			if err := part.Append(rec(i)); err != nil {
				t.Fatal(err)
			}
		}
		i, sum := part.Chain()
		if j, want := whole.Chain(); i != j || sum != want {
			t.Errorf("chain at %d: %x, want %x at %d", i, sum, want, j)
		}
		if _, err := part.Read(12, 1); !errors.Is(err, eventlog.ErrCompacted) {
			t.Errorf("before the beginning: %v", err)
		}
		if err := part.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := eventlog.Verify(eventlog.Config{Dir: "part", FS: sim}, nil); err != nil || r.First != 13 || r.Last != 20 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
}
