package binenc

import (
	"bytes"
	"cmp"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func allPlan(tb testing.TB) (*Plan, *Type) {
	tb.Helper()
	name := func(f reflect.StructField) (string, bool) { return f.Name, true }
	ty, err := TypeOf(reflect.TypeFor[all](), name)
	if err != nil {
		tb.Fatal(err)
	}
	var number func(*Type)
	number = func(t *Type) {
		if t == nil {
			return
		}
		number(t.Elem)
		number(t.Key)
		for i := range t.Fields {
			t.Fields[i].Number = uint32(i + 1)
			number(&t.Fields[i].Type)
		}
	}
	number(&ty)
	p, err := Compile(reflect.TypeFor[all](), &ty, name)
	if err != nil {
		tb.Fatal(err)
	}
	return p, &ty
}

func TestCheckMessage(t *testing.T) {
	_, ty := allPlan(t)
	for _, c := range []struct{ what, msg, reason string }{
		{"empty", "", ""},
		{"int", "\x08\x09", ""},
		{"unknown field", "\x08\x09\xf8\x01\x07", ""},
		{"zero written", "\x08\x00", "zero value"},
		{"long varint", "\x08\x89\x00", "longer"},
		{"twice", "\x08\x02\x08\x02", "ascend"},
		{"wrong wire", "\x0a\x00", "wire type"},
		{"empty bytes differ from none", "\x52\x00", ""},
		{"optional zero", "\x20\x00", ""},
		{"short id", "\x42\x01a", "16 bytes"},
		{"map keys", "\x32\x06\x01b\x00\x01a\x00", "map keys"},
		{"map", "\x32\x06\x01a\x00\x01b\x00", ""},
		{"nested zero", "\x3a\x03\x02\x08\x00", "zero value"},
		{"NaN", "\x49\x01\x00\x00\x00\x00\x00\xf8\x7f", "NaN"},
		{"cut", "\x08", "ends"},
	} {
		err := CheckMessage([]byte(c.msg), ty)
		var e *Error
		if c.reason == "" && err != nil || c.reason != "" && (!errors.As(err, &e) || !strings.Contains(e.Reason, c.reason)) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.reason)
		}
	}
}

func TestZeroTimeInsideIsOmitted(t *testing.T) {
	type in struct{ T time.Time }
	type out struct{ In in }
	ty := Type{Kind: KindMessage, Fields: []Field{{1, "In", Type{Kind: KindMessage, Fields: []Field{{1, "T", Type{Kind: KindTime}}}}}}}
	p, err := Compile(reflect.TypeFor[out](), &ty, func(f reflect.StructField) (string, bool) { return f.Name, true })
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Append(nil, &out{in{time.Time{}.In(time.FixedZone("x", 60))}})
	if err != nil || len(b) != 0 {
		t.Fatalf("%x %v, want nothing", b, err)
	}
}

// What CheckMessage accepts and Decode fits, Append gives back unchanged, but for unknown fields.
func FuzzCanonical(f *testing.F) {
	p, ty := allPlan(f)
	f.Add([]byte("\x08\x09\x20\x00\x32\x06\x01a\x00\x01b\x00"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var v all
		if CheckMessage(msg, ty) != nil || p.Decode(msg, &v) != nil {
			return
		}
		r := NewReader(msg)
		for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
			if ty.byNumber(n) == nil {
				return
			}
			r.Skip(w)
		}
		again, err := p.Append(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		var w all
		if err := p.Decode(again, &w); err != nil {
			t.Fatal(err)
		}
		if len(v.N) == 0 && len(v.M) == 0 && !bytes.Equal(again, msg) {
			t.Fatalf("%x became %x", msg, again)
		}
	})
}

func FuzzKeyOrder(f *testing.F) {
	f.Add("a", "a\x00", int64(-1), int64(1))
	f.Fuzz(func(t *testing.T, a, b string, i, j int64) {
		x := AppendKeyInt(AppendKeyString(nil, a), i)
		y := AppendKeyInt(AppendKeyString(nil, b), j)
		want := cmp.Or(cmp.Compare(a, b), cmp.Compare(i, j))
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("%q,%d and %q,%d: %d, want %d", a, i, b, j, got, want)
		}
		if got := bytes.Compare(AppendKeyDesc(x, 0), AppendKeyDesc(y, 0)); got != -want {
			t.Fatalf("descending: %d, want %d", got, -want)
		}
	})
}
