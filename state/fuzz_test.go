package state

import (
	"testing"

	"github.com/lithair/lithair-go/binenc"
)

// Events of arbitrary bytes are taken or refused. Refused ones leave no trace; what the
// taken ones make is the same state as its records created anew, one after the other;
// and rolling back leads to the beginning.
func FuzzApply(f *testing.F) {
	r := newRig(f)
	_, rec := r.record(f, &person{ID: 1, Email: "a", Town: "t"})
	f.Add(byte(1), rec, byte(2), []byte("\x12\x01b"), byte(3), []byte{}, uint32(3))
	f.Add(byte(0x11), rec, byte(0x21), rec, byte(0x12), []byte("\x1a\x02zz"), uint32(4))
	f.Add(byte(1), rec, byte(2), []byte{0x80}, byte(2), []byte("\x22\x01\x02"), uint32(2))
	f.Fuzz(func(t *testing.T, k1 byte, f1 []byte, k2 byte, f2 []byte, k3 byte, f3 []byte, cleared uint32) {
		b := Empty().Begin()
		if err := b.Apply(1, r.declaration()); err != nil {
			t.Fatal(err)
		}
		mark, start := b.Mark(), dump(b)
		event := func(k byte, fields []byte) {
			ev := Event{Model: 1, Kind: EventKind(k & 0x0F), Key: string(binenc.AppendKeyUint(nil, uint64(k>>4))), Fields: append([]byte(nil), fields...)}
			if ev.Kind == Updated && cleared != 0 {
				ev.Cleared = []uint32{cleared}
			}
			before := dump(b)
			if err := b.Apply(1, ev); err != nil && dump(b) != before {
				t.Fatalf("%v, but the state has changed", err)
			}
		}
		event(k1, f1)
		event(k2, f2)
		event(k3, f3)
		again := Empty().Begin()
		if err := again.Apply(1, r.declaration()); err != nil {
			t.Fatal(err)
		}
		for key, row := range b.Scan(1, Range{}) {
			if err := again.Apply(1, Event{Model: 1, Kind: Created, Key: key, Fields: row.Bytes()}); err != nil {
				t.Fatal(err)
			}
		}
		if dump(again) != dump(b) {
			t.Fatalf("its records created anew make another state:\n%s\n%s", dump(b), dump(again))
		}
		b.Rollback(mark)
		if dump(b) != start {
			t.Fatal("the rollback has left a trace")
		}
	})
}
