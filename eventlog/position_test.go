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
	if _, err := ParsePosition(make([]byte, PositionBytes-1)); err == nil {
		t.Fatal("a short position is taken")
	}
}

// TestSeekTime looks for every time there is, and those between, over batches, segments,
// a truncation and a removal.
func TestSeekTime(t *testing.T) {
	log, err := Open(Config{Dir: t.TempDir(), SegmentBytes: 4 * headerSize})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if i, err := log.SeekTime(5); err != nil || i != 1 {
		t.Errorf("in an empty log: %d, %v", i, err)
	}
	add := func(from, to uint64) {
		var recs []Record
		for i := from; i <= to; i++ {
			recs = append(recs, Record{Index: i, Time: int64(i/3) * 10, Payload: make([]byte, 50)})
		}
		if err := log.Append(recs...); err != nil {
			t.Fatal(err)
		}
	}
	for i := uint64(1); i < 400; i += 4 {
		add(i, i+3)
	}
	if err := errors.Join(log.TruncateAfter(201), log.TruncateBefore(130)); err != nil {
		t.Fatal(err)
	}
	add(202, 202)
	add(203, 300)
	first := log.First()
	if first == 1 {
		t.Fatal("nothing was removed")
	}
	for at := int64(-1); at < 1010; at++ {
		want := first
		for want <= 300 && int64(want/3)*10 < at {
			want++
		}
		if i, err := log.SeekTime(at); err != nil || i != want {
			t.Fatalf("time %d: %d, %v, want %d", at, i, err, want)
		}
	}
}
