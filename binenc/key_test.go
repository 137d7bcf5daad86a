package binenc

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// keySamples are, for each kind, values in ascending order.
var keySamples = map[string][]any{
	"bool":     {false, true},
	"int":      {int64(math.MinInt64), int64(-256), int64(-1), int64(0), int64(1), int64(255), int64(math.MaxInt64)},
	"uint":     {uint64(0), uint64(1), uint64(256), uint64(math.MaxUint64)},
	"float64":  {math.Inf(-1), -math.MaxFloat64, -1.0, -math.SmallestNonzeroFloat64, 0.0, math.SmallestNonzeroFloat64, 1.0, math.MaxFloat64, math.Inf(1), math.NaN()},
	"string":   {"", "\x00", "\x00\x00", "\x00\x01", "\x00a", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "a\x01", "aa", "b", "\xff", "\xff\xff"},
	"id":       {[16]byte{}, [16]byte{15: 1}, [16]byte{0: 1}, [16]byte{0: 255}},
	"time":     {MinTime, time.Time{}, time.Unix(-1, 999_999_999).UTC(), time.Unix(0, 0).UTC(), time.Unix(0, 1).UTC(), MaxTime},
	"duration": {time.Duration(math.MinInt64), time.Duration(-1), time.Duration(0), time.Hour},
	"decimal": {decimal("-99999999999999999999999999999999999999e127"), decimal("-100"), decimal("-99.5"), decimal("-99"), decimal("-1"), decimal("-0.12"), decimal("-0.1"), decimal("-1e-128"), decimal("0"),
		decimal("1e-128"), decimal("0.1"), decimal("0.11"), decimal("0.2"), decimal("1"), decimal("1.01"), decimal("1.1"), decimal("2"), decimal("10"), decimal("99"), decimal("100"), decimal("1e127")},
}

func appendKey(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return AppendKeyNull(dst)
	case bool:
		return AppendKeyBool(dst, v)
	case int64:
		return AppendKeyInt(dst, v)
	case uint64:
		return AppendKeyUint(dst, v)
	case float64:
		return AppendKeyFloat64(dst, v)
	case string:
		return AppendKeyString(dst, v)
	case []byte:
		return AppendKeyBytes(dst, v)
	case [16]byte:
		return AppendKeyID(dst, v)
	case time.Time:
		return AppendKeyTime(dst, v)
	case time.Duration:
		return AppendKeyDuration(dst, v)
	case Decimal:
		return AppendKeyDecimal(dst, v)
	}
	panic("no such kind")
}

func readKey(r *KeyReader, like any) any {
	switch like.(type) {
	case bool:
		return r.Bool()
	case int64:
		return r.Int()
	case uint64:
		return r.Uint()
	case float64:
		return r.Float64()
	case string:
		return r.String()
	case []byte:
		return r.Bytes()
	case [16]byte:
		return r.ID()
	case time.Time:
		return r.Time()
	case time.Duration:
		return r.Duration()
	}
	return r.Decimal()
}

// Every value of a kind sorts as it should beside every other, alone and in front of
// another part, ascending and descending, and is read back.
func TestKeysSortAsValues(t *testing.T) {
	for kind, values := range keySamples {
		all := append([]any{nil}, values...)
		for i, a := range all {
			for j, b := range all {
				for _, tail := range []any{nil, uint64(0), uint64(math.MaxUint64)} {
					x, y := appendKey(appendKey(nil, a), tail), appendKey(appendKey(nil, b), uint64(7))
					if i == j {
						continue
					}
					if got, want := bytes.Compare(x, y), cmp.Compare(i, j); got != want {
						t.Errorf("%s: %v and %v: %d, want %d", kind, a, b, got, want)
					}
					if got, want := bytes.Compare(AppendKeyDesc(x, 0), AppendKeyDesc(y, 0)), cmp.Compare(j, i); got != want {
						t.Errorf("%s: %v and %v descending: %d, want %d", kind, a, b, got, want)
					}
				}
			}
			if a != nil {
				checkReadKey(t, a)
			}
		}
	}
}

func checkReadKey(t *testing.T, v any) {
	t.Helper()
	key := appendKey(nil, v)
	desc := AppendKeyDesc(bytes.Clone(key), 0)
	whole := append(append(append(bytes.Clone(key), desc...), keyNull), 0xFF)
	r := NewKeyReader(whole)
	up := readKey(&r, v)
	notNull := !r.Desc().Null()
	down := readKey(&r, v)
	null, nullDesc := r.Null(), r.Desc().Null()
	f, _ := v.(float64)
	if r.Err() != nil || f == f && (!reflect.DeepEqual(up, v) || !reflect.DeepEqual(down, v)) || !notNull || !null || !nullDesc || r.Len() != 0 {
		t.Errorf("%v: read as %v and %v: %v", v, up, down, r.Err())
	}
	for cut := range key {
		r := NewKeyReader(key[:cut])
		readKey(&r, v)
		if !errors.Is(r.Err(), ErrShort) {
			t.Errorf("%v cut at %d: %v", v, cut, r.Err())
		}
	}
}

func TestZerosAreOneKey(t *testing.T) {
	if a, b := AppendKeyFloat64(nil, 0), AppendKeyFloat64(nil, math.Copysign(0, -1)); !bytes.Equal(a, b) {
		t.Errorf("%x and %x", a, b)
	}
	if a, b := AppendKeyFloat64(nil, math.NaN()), AppendKeyFloat64(nil, math.Float64frombits(0xFFF8000000000001)); !bytes.Equal(a, b) {
		t.Errorf("%x and %x", a, b)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for _, c := range []struct {
		key  string
		like any
		want error
	}{
		{"0202", true, ErrMalformed},
		{"0102", true, ErrMalformed},
		{"00", int64(0), ErrMalformed},
		{"01610002", "", ErrMalformed},
		{"0161", "", ErrShort},
		{"018000000000000000ffffffff", time.Time{}, ErrMalformed},
		{"017fffffffffffffff", 0.0, ErrNotCanonical},
		{"01fff8000000000001", 0.0, ErrNotCanonical},
		{"0104", Decimal{}, ErrMalformed},
		{"0103040100", Decimal{}, ErrNotCanonical},
		{"010304010b0100", Decimal{}, ErrNotCanonical},
		{"01030401ff00", Decimal{}, ErrMalformed},
	} {
		r := NewKeyReader(unhex(t, c.key))
		if v := readKey(&r, c.like); !errors.Is(r.Err(), c.want) {
			t.Errorf("%s: %v, %v, want %v", c.key, v, r.Err(), c.want)
		}
	}
}

// A field of a record has the key of its value.
func TestKeyOfAField(t *testing.T) {
	p, ty := planFor[every](t)
	v := full()
	msg, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field string
		want  any
	}{
		{"I", int64(-5)}, {"U", uint64(math.MaxUint64)}, {"B", true}, {"F32", 2.5}, {"F", 0.0}, {"S", v.S}, {"Raw", []byte{}}, {"T", v.T}, {"D", -time.Hour},
		{"ID", v.ID}, {"Dec", v.Dec}, {"PI", int64(0)}, {"PT", time.Time{}}, {"PD", Decimal{}},
	} {
		i := slices.IndexFunc(ty.Fields, func(f Field) bool { return f.Name == c.field })
		f := &ty.Fields[i]
		payload, _, ok := Lookup(msg, f.Number)
		got, err := AppendKeyRaw(nil, &f.Type, payload, ok)
		if err != nil || !bytes.Equal(got, appendKey(nil, c.want)) {
			t.Errorf("%s: %x, %v", c.field, got, err)
		}
		zero, err := AppendKeyRaw(nil, &f.Type, nil, false)
		if err != nil || f.Type.Optional != (len(zero) == 1) || bytes.Compare(zero, got) > 0 && c.field != "I" && c.field != "D" && c.field != "Dec" && c.field != "T" {
			t.Errorf("%s, absent: %x, %v", c.field, zero, err)
		}
	}
	for _, k := range []Kind{KindList, KindMap, KindMessage} {
		if _, err := AppendKeyRaw(nil, &Type{Kind: k}, nil, true); err == nil {
			t.Errorf("a %s has a key", k)
		}
		if _, err := AppendKeyRaw(nil, &Type{Kind: k}, nil, false); err == nil {
			t.Errorf("an absent %s has a key", k)
		}
	}
}

// keyVectors are tuples in ascending order of their keys.
func keyVectors(t *testing.T) (vs []keyVector) {
	text := func(kind string, v any) any {
		switch v := v.(type) {
		case bool:
			return v
		case int64:
			return strconv.FormatInt(v, 10)
		case uint64:
			return strconv.FormatUint(v, 10)
		case float64:
			return strconv.FormatFloat(v, 'x', -1, 64)
		case string:
			return hex.EncodeToString([]byte(v))
		case [16]byte:
			return hex.EncodeToString(v[:])
		case time.Time:
			return v.Format(time.RFC3339Nano)
		case time.Duration:
			return strconv.FormatInt(int64(v), 10)
		}
		return v.(Decimal).String()
	}
	add := func(parts ...keyPart) func(values ...any) {
		return func(values ...any) {
			var key []byte
			out := slices.Clone(parts)
			for i, v := range values {
				from := len(key)
				key = appendKey(key, v)
				if v == nil {
					out[i].Kind = "absent"
				} else {
					out[i].Value = text(out[i].Kind, v)
				}
				if out[i].Desc {
					AppendKeyDesc(key, from)
				}
			}
			vs = append(vs, keyVector{out, hex.EncodeToString(key)})
		}
	}
	for _, kind := range sortedNames(keySamples) {
		wire := kind
		if kind == "string" {
			wire = "bytes"
		}
		for _, v := range append([]any{nil}, keySamples[kind]...) {
			add(keyPart{Kind: wire})(v)
			add(keyPart{Kind: wire, Desc: true}, keyPart{Kind: "uint"})(v, uint64(7))
		}
	}
	slices.SortStableFunc(vs, func(a, b keyVector) int { return cmp.Compare(a.Hex, b.Hex) })
	return vs
}

func TestKeyVectors(t *testing.T) {
	for _, v := range readVectors(t).Keys {
		r := NewKeyReader(unhex(t, v.Hex))
		for _, p := range v.Parts {
			if p.Desc {
				r.Desc()
			}
			if p.Kind == "absent" {
				if !r.Null() {
					t.Errorf("%s: a value instead of none", v.Hex)
				}
				continue
			}
			like := map[string]any{"bool": true, "int": int64(0), "uint": uint64(0), "float64": 0.0, "bytes": []byte{}, "id": [16]byte{}, "time": time.Time{}, "duration": time.Duration(0), "decimal": Decimal{}}[p.Kind]
			got := readKey(&r, like)
			if b, ok := got.([]byte); ok {
				got = hex.EncodeToString(b)
			}
			if id, ok := got.([16]byte); ok {
				got = hex.EncodeToString(id[:])
			}
			if want := parsePart(t, p); !reflect.DeepEqual(got, want) && p.Value != "NaN" {
				t.Errorf("%s: %v, want %v", v.Hex, got, want)
			}
		}
		if r.Err() != nil || r.Len() != 0 {
			t.Errorf("%s: %v, %d left", v.Hex, r.Err(), r.Len())
		}
	}
}

func parsePart(t *testing.T, p keyPart) (v any) {
	t.Helper()
	var err error
	s, _ := p.Value.(string)
	switch p.Kind {
	case "bool":
		return p.Value
	case "int":
		v, err = strconv.ParseInt(s, 10, 64)
	case "duration":
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		v = time.Duration(n)
	case "uint":
		v, err = strconv.ParseUint(s, 10, 64)
	case "float64":
		v, err = strconv.ParseFloat(s, 64)
	case "time":
		v, err = time.Parse(time.RFC3339Nano, s)
	case "decimal":
		v, err = ParseDecimal(s)
	default:
		return s
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
