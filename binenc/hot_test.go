package binenc

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// variants are records whose fields leave the hot loops at every field in turn: empty,
// longer than a short head can say, not ASCII, and of every length up to that.
func variants() (all []record) {
	texts := []string{"", "é", strings.Repeat("é", 40), strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("y", 300)}
	for n := range 40 {
		texts = append(texts, strings.Repeat("a", n), strings.Repeat("b", n)+"☃")
	}
	for _, s := range texts {
		for _, set := range []func(*record){
			func(r *record) { r.Name = s },
			func(r *record) { r.Email = s },
			func(r *record) { r.Created = s },
			func(r *record) { r.Tags = []string{"a", s, "b"} },
			func(r *record) { r.Address.Street = s },
			func(r *record) { r.Address.Zip, r.Address.Country = s, s },
			func(r *record) { r.Address = address{} },
			func(r *record) { r.Address = address{City: s} },
			func(r *record) { r.Address.Street, r.Address.City = s, "" },
			func(r *record) { r.Name, r.Created, r.Tags = s, s, []string{s, s, s} },
			func(r *record) { r.Attrs = []attr{{"a", s}, {s, "b"}, {s, s}, {}} },
			func(r *record) { r.Tags, r.Counts, r.Attrs = nil, nil, nil },
			func(r *record) { r.Tags, r.Counts, r.Attrs = []string{}, []int64{}, []attr{} },
			func(r *record) { *r = record{Created: s} },
			func(r *record) { *r = record{Attrs: make([]attr, aroundHotList+len(s)%3)} },
			func(r *record) { r.Counts = []int64{-1, 1 << 62, int64(len(s)), -64, 64, 8191, -8192, 8192} },
			func(r *record) { r.ID = 1 << (len(s) % 64); r.Active, r.Score = false, 0 },
		} {
			r := newRecord()
			set(&r)
			all = append(all, r)
		}
	}
	return all
}

// aroundHotList and two more is where lists leave the hot loop of encode_unsafe.go.
const aroundHotList = 15

// What Append writes does not depend on how much room there is, and it writes nothing
// beyond that room.
func TestAppendIntoAnyRoom(t *testing.T) {
	p, ty := planFor[record](t)
	for i, v := range variants() {
		want, err := p.Append(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckMessage(want, ty); err != nil {
			t.Fatalf("%+v: %x: %v", v, want, err)
		}
		var back record
		if err := p.Decode(want, &back); err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%+v became %+v, %v", v, back, err)
		}
		step := 1
		if i%17 != 0 {
			step = 17 // all rooms for some, some for all
		}
		for room := 0; room < len(want)+1200; room += step {
			if room > len(want)+20 {
				step = 61 // there, only how many texts may be written at once depends on it
			}
			whole := bytes.Repeat([]byte{0xA5}, 3+room+64)
			got, err := p.Append(whole[:3:3+room], &v)
			if err != nil || !bytes.Equal(got[3:], want) {
				t.Fatalf("room %d: %x, %v, want %x", room, got, err, want)
			}
			for _, c := range whole[3+room:] {
				if c != 0xA5 {
					t.Fatalf("room %d: a byte beyond it was written: %x", room, whole[3+room:])
				}
			}
		}
	}
}

// Each message cut anywhere, and with any one byte changed, is refused by Decode exactly
// when CheckMessage refuses it, with the same offset, and is otherwise its own encoding.
func TestDecodeAgreesWithCheckMessage(t *testing.T) {
	p, ty := planFor[record](t)
	try := func(msg []byte) {
		t.Helper()
		msg = msg[:len(msg):len(msg)]
		var v record
		err, want := p.Decode(msg, &v), CheckMessage(msg, ty)
		if (err == nil) != (want == nil) {
			t.Fatalf("%x: Decode says %v, CheckMessage %v", msg, err, want)
		}
		if err != nil {
			if g, w := err.(*Error), want.(*Error); g.Offset != w.Offset || g.Err != w.Err {
				t.Fatalf("%x: Decode says %v, CheckMessage %v", msg, err, want)
			}
			return
		}
		var alias record
		if err := p.DecodeAlias(msg, &alias); err != nil || !reflect.DeepEqual(alias, v) {
			t.Fatalf("%x: DecodeAlias gives %+v, %v", msg, alias, err)
		}
	}
	changed := 0
	for i, v := range variants() {
		msg, err := p.Append(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		if i%20 != 0 {
			continue
		}
		for n := range msg {
			try(msg[:n])
			for _, x := range []byte{0x00, 0x01, 0x7F, 0x80, 0x81, 0xC0, 0xCD, 0xD0, 0xF0, 0xFF} {
				bad := bytes.Clone(msg)
				bad[n] = x
				try(bad)
				changed++
			}
		}
	}
	t.Logf("%d changed messages", changed)
}

// A message with one field is one of nothing but texts only if that field is a text.
func TestMessagesOfOneField(t *testing.T) {
	type one[T any] struct{ V T }
	type record struct {
		F   one[float64]
		N   one[int64]
		B   one[bool]
		L   one[[]string]
		S   one[string]
		M   one[one[string]]
		All []one[float64]
		In  []one[one[string]]
	}
	p, ty := planFor[record](t)
	v := record{one[float64]{2.5}, one[int64]{1 << 40}, one[bool]{true}, one[[]string]{[]string{"a", ""}}, one[string]{"text"}, one[one[string]]{one[string]{"inside"}},
		[]one[float64]{{1}, {0}, {-2}}, []one[one[string]]{{one[string]{"x"}}, {}}}
	msg, err := p.Append(make([]byte, 0, 500), &v)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckMessage(msg, ty); err != nil {
		t.Fatalf("%x: %v", msg, err)
	}
	var back record
	if err := p.Decode(msg, &back); err != nil || !reflect.DeepEqual(v, back) {
		t.Errorf("%+v %v, want %+v", back, err, v)
	}
}

// A type that contains itself lets messages nest to MaxDepth and no further, however deep the bytes go.
func TestDeepMessages(t *testing.T) {
	loop := &Type{Kind: KindMessage}
	loop.Fields = []Field{{1, "Next", Type{Kind: KindMessage, Optional: true}}}
	loop.Fields[0].Type.Fields = loop.Fields
	nest := func(levels int) []byte {
		msg := []byte{}
		for range levels {
			e := NewEncoder(nil)
			e.Bytes(1, msg)
			msg, _ = e.Message()
		}
		return msg
	}
	for levels, want := range map[int]error{MaxDepth: nil, MaxDepth + 1: ErrLimit, 10_000: ErrLimit} {
		if err := CheckMessage(nest(levels), loop); !errors.Is(err, want) {
			t.Errorf("%d levels: %v, want %v", levels, err, want)
		}
	}
}

// An integer that does not fit into the field's Go type is refused by the fast way and the slow, never cut.
func TestIntegersThatDoNotFit(t *testing.T) {
	type from struct {
		I, J int64
		U, V uint64
		L    []int64
		M    []uint64
	}
	type into struct {
		I int8
		J int32
		U uint16
		V uint32
		L []int16
		M []uint16
	}
	wide, ty := planFor[from](t)
	narrow, err := Compile(reflect.TypeFor[into](), ty, byGoName)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    from
		path string // of the refusal, "" if it fits
	}{
		{from{I: 127, J: 1<<31 - 1, U: 1<<16 - 1, V: 1<<32 - 1, L: []int64{-1 << 15}, M: []uint64{1<<16 - 1}}, ""},
		{from{I: 128}, "I"}, {from{I: -129}, "I"}, {from{J: 1 << 31}, "J"}, {from{J: -1<<31 - 1}, "J"}, {from{I: 1 << 40}, "I"},
		{from{U: 1 << 16}, "U"}, {from{V: 1 << 32}, "V"}, {from{U: 1 << 63}, "U"}, {from{L: []int64{1, 1 << 15}}, "L[1]"}, {from{M: []uint64{1 << 16}}, "M[0]"},
	} {
		msg, err := wide.Append(nil, &c.v)
		if err != nil {
			t.Fatal(err)
		}
		var got into
		err = narrow.Decode(msg, &got)
		var e *Error
		if errors.As(err, &e); (err == nil) != (c.path == "") || err != nil && (!errors.Is(err, ErrType) || e.Path != c.path || !reflect.DeepEqual(got, into{})) {
			t.Errorf("%+v became %+v, %v; want a refusal at %q", c.v, got, err, c.path)
		}
	}
}
