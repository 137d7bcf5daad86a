package binenc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// The Encoder writes, and the Decoder reads, what a plan does.
func TestEncoderAgreesWithPlan(t *testing.T) {
	p, _ := planFor[every](t)
	v := every{base: base{7}, I: -300, B: true, F32: 1.5, F: -2, S: "text", Raw: []byte{}, T: time.Unix(5, 6).UTC(), D: 9, ID: [16]byte{1}, Dec: decimal("1.5"), In: inner{B: "x"},
		PI: ptr(0), PB: ptr(false), PS: ptr(""), PT: &time.Time{}, PIn: &inner{}, PD: &Decimal{}}
	want, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEncoder(nil)
	e.Uint(1, 7)
	e.Int(2, -300)
	e.Int(3, 0)
	e.Bool(9, true)
	e.Float32(10, 1.5)
	e.Float64(11, -2)
	e.String(12, "text")
	e.Bytes(13, []byte{})
	e.Time(14, v.T)
	e.Duration(15, 9)
	e.ID(16, v.ID)
	e.Decimal(17, v.Dec)
	e.StringBytes(18, "")
	m := e.Begin(19)
	e.String(2, "x")
	e.End(m)
	e.Present().Int(20, 0)
	e.Present().Bool(21, false)
	e.Present().String(22, "")
	e.Present().Time(23, time.Time{})
	m = e.Present().Begin(24)
	e.End(m)
	e.Present().Decimal(25, Decimal{})
	m = e.Begin(26)
	e.End(m) // without fields: left out
	got, err := e.Message()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v, want\n%x", got, err, want)
	}
	readBack(t, got, &v)
}

func readBack(t *testing.T, msg []byte, v *every) {
	t.Helper()
	d := NewDecoder(msg)
	var got every
	for n, _, ok := d.Next(); ok; n, _, ok = d.Next() {
		switch n {
		case 1:
			got.Rev = uint32(d.Uint())
		case 2:
			got.I = d.Int()
		case 9:
			got.B = d.Bool()
		case 10:
			got.F32 = d.Float32()
		case 11:
			got.F = d.Float64()
		case 12:
			got.S = d.String()
		case 14:
			got.T = d.Time()
		case 15:
			got.D = d.Duration()
		case 16:
			got.ID = d.ID()
		case 17:
			got.Dec = d.Decimal()
		}
	}
	if d.Err() != nil || got.Rev != v.Rev || got.I != v.I || !got.B || got.F32 != v.F32 || got.F != v.F || got.S != v.S || !got.T.Equal(v.T) || got.D != v.D || got.ID != v.ID || got.Dec != v.Dec {
		t.Errorf("%+v, %v", got, d.Err())
	}
}

func TestEncoderRefuses(t *testing.T) {
	for _, c := range []struct {
		what string
		want error
		call func(e *Encoder)
	}{
		{"text that is no UTF-8", ErrUTF8, func(e *Encoder) { e.String(3, "\xff") }},
		{"a time out of range", ErrRange, func(e *Encoder) { e.Time(3, MaxTime.Add(1)) }},
	} {
		e := NewEncoder(nil)
		c.call(&e)
		m := e.Begin(4)
		e.Uint(1, 5)
		e.End(m)
		_, err := e.Message()
		var x *Error
		if !errors.Is(err, c.want) || !errors.As(err, &x) || x.Field != 3 {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	for _, call := range []func(e *Encoder){
		func(e *Encoder) { e.Uint(2, 1); e.Uint(2, 1) },
		func(e *Encoder) { e.Uint(MaxNumber+1, 1) },
		func(e *Encoder) { e.Uint(0, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a number that does not ascend is taken")
				}
			}()
			e := NewEncoder(nil)
			call(&e)
		}()
	}
}

// Asking for another type than is there is an error that says so, and stays.
func TestDecoderRefuses(t *testing.T) {
	for _, c := range []struct {
		what string
		msg  string
		call func(d *Decoder)
		want error
	}{
		{"an integer as text", "\x01", func(d *Decoder) { _ = d.String() }, ErrType},
		{"text as an integer", "\x80", func(d *Decoder) { d.Uint() }, ErrType},
		{"text as a float", "\x80", func(d *Decoder) { d.Float64() }, ErrType},
		{"an integer as float32", "\x01", func(d *Decoder) { d.Float32() }, ErrType},
		{"2 as a bool", "\x02", func(d *Decoder) { d.Bool() }, ErrMalformed},
		{"a short id", "\x81a", func(d *Decoder) { d.ID() }, ErrMalformed},
		{"a short time", "\x81\x01", func(d *Decoder) { d.Time() }, ErrShort},
		{"a decimal of ten", "\x82\x00\x0a", func(d *Decoder) { d.Decimal() }, ErrNotCanonical},
		{"bytes that are no text", "\x81\xff", func(d *Decoder) { _ = d.String() }, ErrUTF8},
	} {
		d := NewDecoder([]byte(c.msg + "\x05"))
		d.Next()
		c.call(&d)
		_, _, ok := d.Next()
		var e *Error
		if ok || !errors.Is(d.Err(), c.want) || !errors.As(d.Err(), &e) || e.Field != 1 {
			t.Errorf("%s: %v", c.what, d.Err())
		}
		if d.Uint() != 0 || d.String() != "" || d.Payload() != nil {
			t.Errorf("%s: values after an error", c.what)
		}
	}
}

// A reader says how many bytes it lacks, and never reads on after an error.
func TestReaderRefuses(t *testing.T) {
	for _, c := range []struct {
		what string
		in   string
		call func(r *Reader)
		want error
		lack int
	}{
		{"nothing", "", func(r *Reader) { r.Uvarint() }, ErrShort, 1},
		{"a cut varint", "\x80", func(r *Reader) { r.Varint() }, ErrShort, 1},
		{"a long varint", "\x80\x00", func(r *Reader) { r.Uvarint() }, ErrNotCanonical, 0},
		{"a varint of eleven bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", func(r *Reader) { r.Uvarint() }, ErrMalformed, 0},
		{"three bytes of four", "abc", func(r *Reader) { r.Fixed32() }, ErrShort, 1},
		{"three bytes of eight", "abc", func(r *Reader) { r.Fixed64() }, ErrShort, 5},
		{"two bytes of five", "\x05ab", func(r *Reader) { r.Bytes() }, ErrShort, 3},
		{"a length of 2^63", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", func(r *Reader) { r.Bytes() }, ErrLimit, 0},
	} {
		r := NewReader([]byte(c.in))
		c.call(&r)
		var e *Error
		if !errors.Is(r.Err(), c.want) || !errors.As(r.Err(), &e) || e.Want != c.lack {
			t.Errorf("%s: %v", c.what, r.Err())
		}
		if r.Uvarint() != 0 || r.Bytes() != nil || r.Fixed32() != 0 || r.Fixed64() != 0 || r.Len() != 0 {
			t.Errorf("%s: values after an error", c.what)
		}
	}
}

// A claimed length allocates nothing, however large, and many empty elements cost what
// their type does and no more.
func TestHostileLengthsAllocateLittle(t *testing.T) {
	p, ty := planFor[every](t)
	for _, msg := range [][]byte{
		[]byte("\xdb\xcb\xff\xff\xff\xff"),
		[]byte("\xe9\x85\xff\xff\xff\xff\x0f"),
		[]byte("\xf0\x23\x85\xff\xff\xff\xff\x0f"),
	} {
		var v every
		if n := testing.AllocsPerRun(20, func() {
			if err := p.Decode(msg, &v); err == nil {
				t.Fatal("taken")
			}
			if err := CheckMessage(msg, ty); err == nil {
				t.Fatal("taken")
			}
		}); n > 20 {
			t.Errorf("%x: %v allocations", msg, n)
		}
	}
}

// An id of another length is malformed, also when all its bytes are zero; only the sixteen zero bytes are a zero value.
func TestIDsOfOtherLengths(t *testing.T) {
	type holder struct {
		ID [16]byte
	}
	p, ty := planFor[holder](t)
	for msg, want := range map[string]error{
		"\x80": ErrMalformed, "\x83\x00\x00\x00": ErrMalformed, "\x91" + strings.Repeat("\x00", 17): ErrMalformed,
		"\x90" + strings.Repeat("\x00", 16): ErrNotCanonical, "\x90" + strings.Repeat("\x01", 16): nil,
	} {
		var v holder
		if err := p.Decode([]byte(msg), &v); !errors.Is(err, want) {
			t.Errorf("Decode %x: %v, want %v", msg, err, want)
		}
		if err := CheckMessage([]byte(msg), ty); !errors.Is(err, want) {
			t.Errorf("CheckMessage %x: %v, want %v", msg, err, want)
		}
	}
}
