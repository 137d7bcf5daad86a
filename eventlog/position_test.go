package eventlog

import (
	"errors"
	"fmt"
	"testing"
)

// TestPositions holds the chain at every index against the one computed record by record,
// over batches, segments, a truncation of the tail and a removal of the front.
func TestPositions(t *testing.T) {
	log, err := Open(Config{Dir: t.TempDir(), SegmentBytes: 2 * headerSize})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var sums []Sum // by index
	sums = append(sums, Sum{})
	next := uint64(1)
	add := func(n int) {
		var recs []Record
		for range n {
			r := Record{Index: next, Term: next / 7, Time: int64(next) * 3, Kind: 16, Payload: fmt.Appendf(nil, "record %d %d", next, len(sums))}
			recs = append(recs, r)
			sums = append(sums, sums[len(sums)-1].chain(&r))
			next++
		}
		if err := log.Append(recs...); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		first := log.First()
		for i := first - 1; i < next; i++ {
			if sum, err := log.ChainAt(i); err != nil || sum != sums[i] {
				t.Fatalf("chain at %d: %x, %v, want %x", i, sum, err, sums[i])
			}
			if i < first {
				continue
			}
			p, err := log.Position(i)
			if want := (Position{i, i / 7, int64(i) * 3, sums[i]}); err != nil || p != want {
				t.Fatalf("position %d: %+v, %v, want %+v", i, p, err, want)
			}
			if back, err := ParsePosition(p.Append(nil)); err != nil || back != p {
				t.Fatalf("%+v comes back as %+v, %v", p, back, err)
			}
		}
		if _, err := log.Position(next); !errors.Is(err, ErrOutOfRange) {
			t.Fatalf("behind the end: %v", err)
		}
	}
	for i := range 60 {
		add(1 + i%5)
	}
	check()
	if err := log.TruncateAfter(101); err != nil {
		t.Fatal(err)
	}
	next, sums = 102, sums[:102]
	check()
	for range 40 {
		add(3)
	}
	if err := log.TruncateBefore(80); err != nil {
		t.Fatal(err)
	}
	if log.First() == 1 {
		t.Fatal("nothing was removed")
	}
	check()
	if _, err := log.Position(1); !errors.Is(err, ErrCompacted) {
		t.Fatalf("before the beginning: %v", err)
	}
	if _, err := ParsePosition(make([]byte, positionSize-1)); err == nil {
		t.Fatal("a short position is taken")
	}
}
