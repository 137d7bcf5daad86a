package binenc

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

func addVectors(f *testing.F) {
	v := readVectors(f)
	for _, m := range v.Messages {
		f.Add(unhex(f, m.Hex))
	}
	for _, r := range v.Refused {
		f.Add(unhex(f, r.Hex))
	}
}

// The package and its twin take the same bytes for the same values, and each value gives
// back the bytes it came from, unknown fields included.
func FuzzMessage(f *testing.F) {
	p, ty := planFor[every](f)
	addVectors(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		twin, twinErr := twinDecode(msg, ty)
		check := CheckMessage(msg, ty)
		if (twinErr == nil) != (check == nil) {
			t.Fatalf("twin: %v, CheckMessage: %v", twinErr, check)
		}
		var v, alias every
		err := p.Decode(msg, &v)
		if check != nil && err == nil {
			t.Fatalf("Decode takes what CheckMessage refuses: %v", check)
		}
		var e, c *Error
		if errors.As(err, &e) && errors.As(check, &c) && !errors.Is(err, ErrType) && e.Path != "Addr" && (e.Offset != c.Offset || e.Path != c.Path || e.Field != c.Field) {
			t.Fatalf("Decode: %v, CheckMessage: %v", err, check)
		}
		if err != nil {
			if check == nil && !errors.Is(err, ErrType) && e.Path != "Addr" {
				t.Fatalf("Decode refuses what CheckMessage takes: %v", err)
			}
			if !reflect.DeepEqual(v, every{}) {
				t.Fatal("a refused message leaves something behind")
			}
			return
		}
		if err := p.DecodeAlias(msg, &alias); err != nil {
			t.Fatal(err)
		}
		if v.Addr.IsValid() {
			return // a text form may be written in several ways
		}
		want := withoutEmpty(twin, ty)
		// Structs inside have no field of type Unknown and drop what they do not know.
		kept, err := Merge(nil, twinEncode(want.(map[string]any), ty), v.Rest, nil)
		if err != nil || len(kept) > len(msg) || len(kept) == len(msg) && !bytes.Equal(kept, msg) {
			t.Fatalf("the twin and the unknown fields make %x, %v, want %x", kept, err, msg)
		}
		for _, x := range []*every{&v, &alias} {
			if got, _ := valueOf(reflect.ValueOf(x).Elem(), ty); !reflect.DeepEqual(got, want) {
				t.Fatalf("decoded %v, the twin %v", got, want)
			}
			if again, err := p.Append(nil, x); err != nil || !bytes.Equal(again, kept) {
				t.Fatalf("%x became %x, %v, want %x", msg, again, err, kept)
			}
		}
	})
}

// withoutEmpty is v without messages that hold nothing but fields that are not known: for
// who does not keep those, they are zero.
func withoutEmpty(v any, t *Type) any {
	switch t.Kind {
	case KindMessage:
		out := map[string]any{}
		for _, f := range t.Fields {
			x, ok := v.(map[string]any)[f.Name]
			if !ok {
				continue
			}
			x = withoutEmpty(x, &f.Type)
			if f.Type.Kind != KindMessage || f.Type.Optional || len(x.(map[string]any)) > 0 {
				out[f.Name] = x
			}
		}
		return out
	case KindList:
		out := []any{}
		for _, x := range v.([]any) {
			out = append(out, withoutEmpty(x, t.Elem))
		}
		return out
	case KindMap:
		out := []any{}
		for _, p := range v.([]any) {
			out = append(out, []any{p.([]any)[0], withoutEmpty(p.([]any)[1], t.Elem)})
		}
		return out
	}
	return v
}

// What is encoded is decoded to the same.
func FuzzRoundTrip(f *testing.F) {
	p, ty := planFor[every](f)
	f.Add(int64(-300), uint64(1<<63), 1.5, "text", []byte("b"), int64(-1), uint32(7), true)
	f.Add(int64(math.MinInt64), uint64(0), math.Copysign(0, -1), strings.Repeat("ä", 40), []byte{}, int64(1<<40), uint32(1), false)
	f.Fuzz(func(t *testing.T, i int64, u uint64, x float64, s string, b []byte, sec int64, nsec uint32, yes bool) {
		at := time.Unix(sec, int64(nsec%1e9)).UTC()
		v := every{I: i, I8: int8(i), I16: int16(i), I32: int32(i), U: u, U8: color(u), U16: uint16(u), B: yes, F32: float32(x), F: x, S: s, Raw: b, T: at, D: time.Duration(i),
			PI: ptr(int(i)), PS: &s, PB: &yes, PIn: &inner{int(u), s}, L: []string{s, "", s}, LI: []int64{i, 0, int64(u)}, LG: []float64{x}, LN: []inner{{int(i), s}},
			M: map[string]inner{s: {B: s}, "": {A: 1}}, MI: map[int8]string{int8(i): s, int8(u): "", 0: "z"}, LT: []time.Time{at}}
		copy(v.ID[:], b)
		v.Dec, _ = NewDecimal(i, int(int8(u)))
		msg, err := p.Append(nil, &v)
		if errors.Is(err, ErrUTF8) || errors.Is(err, ErrRange) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckMessage(msg, ty); err != nil {
			t.Fatal(err)
		}
		var got every
		if err := p.Decode(msg, &got); err != nil {
			t.Fatal(err)
		}
		a, _ := valueOf(reflect.ValueOf(&v).Elem(), ty) // NaN differs from itself, its text does not
		w, _ := valueOf(reflect.ValueOf(&got).Elem(), ty)
		if !reflect.DeepEqual(a, w) {
			t.Fatalf("%v became %v", a, w)
		}
		for cut := range min(len(msg), 64) {
			if err := p.Decode(msg[:cut], &got); err == nil && CheckMessage(msg[:cut], ty) != nil {
				t.Fatalf("cut at %d is taken", cut)
			}
		}
	})
}

// Merging a difference leads from the old message to the new one.
func FuzzMergeDiff(f *testing.F) {
	_, ty := planFor[every](f)
	v := readVectors(f).Messages
	for i := range v {
		f.Add(unhex(f, v[i].Hex), unhex(f, v[(i*7+1)%len(v)].Hex))
	}
	f.Fuzz(func(t *testing.T, old, now []byte) {
		patch, cleared, err := Diff(old, now, nil)
		if CheckMessage(old, ty) != nil || CheckMessage(now, ty) != nil {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Merge(nil, old, patch, cleared)
		if err != nil || !bytes.Equal(got, now) {
			t.Fatalf("%x, %v, want %x (patch %x, cleared %v)", got, err, now, patch, cleared)
		}
		for _, field := range twinFields(now) {
			payload, w, ok := Lookup(now, uint32(field.number))
			if !ok || w != field.wire || w == WireInt && loadLE(payload) != field.integer.Uint64() || w != WireInt && !bytes.Equal(payload, field.payload) {
				t.Fatalf("field %d is found as %x, %v", field.number, payload, ok)
			}
		}
	})
}

// Keys sort as tuples of their values do, and are read back.
func FuzzKeys(f *testing.F) {
	f.Add("a", "a\x00", int64(-1), int64(1), 0.5, -0.5, uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, s1, s2 string, i1, i2 int64, f1, f2 float64, u1, u2 uint64) {
		d1, err1 := NewDecimal(i1, int(int8(u1)))
		d2, err2 := NewDecimal(i2, int(int8(u2)))
		if err1 != nil || err2 != nil || f1 != f1 || f2 != f2 {
			return
		}
		key := func(s string, d Decimal, x float64, u uint64, i int64) []byte {
			k := AppendKeyString(nil, s)
			from := len(k)
			k = AppendKeyDesc(AppendKeyDecimal(k, d), from)
			return AppendKeyInt(AppendKeyUint(AppendKeyFloat64(k, x), u), i)
		}
		a, b := key(s1, d1, f1, u1, i1), key(s2, d2, f2, u2, i2)
		want := cmp.Or(cmp.Compare(s1, s2), -bigOf(d1).Cmp(bigOf(d2)), cmp.Compare(f1, f2), cmp.Compare(u1, u2), cmp.Compare(i1, i2))
		if got := bytes.Compare(a, b); got != want {
			t.Fatalf("%x and %x: %d, want %d", a, b, got, want)
		}
		r := NewKeyReader(a)
		if s, d, x, u, i := r.String(), r.Desc().Decimal(), r.Float64(), r.Uint(), r.Int(); r.Err() != nil || s != s1 || d != d1 || x != f1 || u != u1 || i != i1 || r.Len() != 0 {
			t.Fatalf("%q %v %v %d %d: %v", s, d, x, u, i, r.Err())
		}
	})
}

// Whatever a key is read as, it is either refused or the key of what was read.
func FuzzKeyReader(f *testing.F) {
	for _, k := range readVectors(f).Keys {
		f.Add(unhex(f, k.Hex))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		for kind, values := range keySamples {
			r := NewKeyReader(key)
			v := readKey(&r, values[0])
			if r.Err() == nil && !bytes.Equal(appendKey(nil, v), key[:len(key)-r.Len()]) {
				t.Fatalf("%s: %x is read as %v, whose key is %x", kind, key, v, appendKey(nil, v))
			}
		}
	})
}

func bigOf(d Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		panic(d.String())
	}
	return r
}

// Decimals agree with big.Rat.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0.00", "1.50", "1e5", "-1E-3", "99999999999999999999999999999999999999", "1e127", ".5", "5.", "", "+", "1e", "0x1", "1_0", "1e99999999999"} {
		f.Add(s, "1.5")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 100 || len(b) > 100 {
			return
		}
		d, err := ParseDecimal(a)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrRange) {
				t.Fatal(err)
			}
			return
		}
		if e := strings.IndexAny(a, "eE"); e < 0 || len(a)-e < 6 {
			want, ok := new(big.Rat).SetString(a)
			if !ok || bigOf(d).Cmp(want) != 0 {
				t.Fatalf("%q is %v", a, d)
			}
		}
		if again, err := ParseDecimal(d.String()); err != nil || again != d {
			t.Fatalf("%v became %v, %v", d, again, err)
		}
		if back, err := readDecimal(appendDecimal(nil, d)); err != nil || back != d {
			t.Fatalf("%v became %v, %v", d, back, err)
		}
		if c, err := ParseDecimal(b); err == nil && (d.Cmp(c) != bigOf(d).Cmp(bigOf(c)) || (d == c) != (d.Cmp(c) == 0)) {
			t.Fatalf("%v and %v: %d", d, c, d.Cmp(c))
		}
	})
}
