package binenc

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// The twin is the format once more, after SPEC.md and with no regard to speed: it shares
// no code with the package. Values are what a vector's JSON holds: maps by field name,
// lists, lists of pairs for maps, and texts for everything that JSON has no exact form of.

// twinField is a field as it stands in a message: its number, wire and payload.
type twinField struct {
	number  uint64
	wire    Wire
	integer *big.Int // of an integer
	payload []byte
}

type twinError string

func (e twinError) Error() string { return string(e) }

func refuse(format string, a ...any) { panic(twinError(fmt.Sprintf(format, a...))) }

// twinDecode returns the value of msg, or an error for whatever SPEC.md refuses.
func twinDecode(msg []byte, t *Type) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(twinError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	return twinMessage(msg, t), nil
}

func take(b *[]byte, n uint64) []byte {
	if n > uint64(len(*b)) {
		refuse("%d bytes wanted, %d there", n, len(*b))
	}
	p := (*b)[:n]
	*b = (*b)[n:]
	return p
}

func little(b []byte) *big.Int {
	n := new(big.Int)
	for i := range b {
		n.Lsh(n, 8).Or(n, big.NewInt(int64(b[len(b)-1-i])))
	}
	return n
}

// sized reads a number of n bytes that must be at least min and need all of them.
func sized(b *[]byte, n, min uint64) *big.Int {
	p := take(b, n)
	v := little(p)
	if p[n-1] == 0 || v.Cmp(new(big.Int).SetUint64(min)) < 0 {
		refuse("%x is longer than need be", p)
	}
	return v
}

func twinFields(msg []byte) (fields []twinField) {
	number := uint64(0)
	for len(msg) > 0 {
		h := uint64(take(&msg, 1)[0])
		if h >= 0xD0 {
			switch {
			case h <= 0xEF:
				number += h - 0xD0 + 1
			case h <= 0xF3:
				number += sized(&msg, h-0xF0+1, 33).Uint64()
			default:
				refuse("reserved head")
			}
			h = uint64(take(&msg, 1)[0])
		}
		number++
		f := twinField{number: number}
		switch {
		case number > 1<<29-1:
			refuse("number too large")
		case h <= 0x7F:
			f.wire, f.integer = WireInt, new(big.Int).SetUint64(h)
		case h <= 0xBF:
			f.wire, f.payload = WireBytes, take(&msg, h-0x80)
		case h <= 0xC7:
			f.wire, f.integer = WireInt, sized(&msg, h-0xC0+1, 128)
		case h <= 0xCB:
			f.wire, f.payload = WireBytes, take(&msg, sized(&msg, h-0xC8+1, 64).Uint64())
		case h == 0xCC:
			f.wire, f.payload = WireFixed32, take(&msg, 4)
		case h == 0xCD:
			f.wire, f.payload = WireFixed64, take(&msg, 8)
		default:
			refuse("no value")
		}
		fields = append(fields, f)
	}
	return fields
}

func twinMessage(msg []byte, t *Type) map[string]any {
	v := map[string]any{}
	for _, f := range twinFields(msg) {
		for _, k := range t.Fields {
			if uint64(k.Number) != f.number {
				continue
			}
			if twinWire(k.Type.Kind) != f.wire {
				refuse("wire of %s", k.Name)
			}
			x := twinValue(f.integer, f.payload, &k.Type)
			zero := reflect.DeepEqual(x, twinZero[k.Type.Kind])
			if k.Type.Kind == KindMessage {
				zero = len(f.payload) == 0 // fields that nobody here knows are fields
			}
			if zero && !k.Type.Optional {
				refuse("zero of %s is written", k.Name)
			}
			v[k.Name] = x
		}
	}
	return v
}

func twinWire(k Kind) Wire {
	return map[Kind]Wire{KindBool: WireInt, KindInt: WireInt, KindUint: WireInt, KindDuration: WireInt, KindFloat32: WireFixed32, KindFloat64: WireFixed64,
		KindString: WireBytes, KindBytes: WireBytes, KindTime: WireBytes, KindID: WireBytes, KindList: WireBytes, KindMap: WireBytes, KindMessage: WireBytes, KindDecimal: WireBytes}[k]
}

// twinZero are the values that are left out; kinds that are not here have none.
var twinZero = map[Kind]any{KindBool: false, KindInt: "0", KindUint: "0", KindDuration: "0", KindFloat32: "0x0p+00", KindFloat64: "0x0p+00",
	KindString: "", KindTime: "0001-01-01T00:00:00Z", KindID: "00000000000000000000000000000000", KindDecimal: "0", KindMessage: map[string]any{}}

func unzig(n *big.Int) *big.Int {
	v := new(big.Int).Rsh(n, 1)
	if n.Bit(0) == 1 {
		v.Neg(v).Sub(v, big.NewInt(1))
	}
	return v
}

func twinVarint(b *[]byte) *big.Int {
	n := new(big.Int)
	for shift := uint(0); ; shift += 7 {
		c := take(b, 1)[0]
		n.Or(n, new(big.Int).Lsh(big.NewInt(int64(c&0x7F)), shift))
		if n.BitLen() > 64 || shift > 63 {
			refuse("varint too large")
		}
		if c < 0x80 {
			if c == 0 && shift > 0 {
				refuse("varint too long")
			}
			return n
		}
	}
}

func twinValue(n *big.Int, p []byte, t *Type) any {
	switch t.Kind {
	case KindBool:
		if n.Cmp(big.NewInt(1)) > 0 {
			refuse("bool %v", n)
		}
		return n.Sign() == 1
	case KindUint:
		return n.String()
	case KindInt, KindDuration:
		return unzig(n).String()
	case KindFloat32:
		u := uint32(little(p).Uint64())
		if f := math.Float32frombits(u); f == f {
			return strconv.FormatFloat(float64(f), 'x', -1, 32)
		} else if u != 0x7FC00000 {
			refuse("NaN %x", u)
		}
		return "NaN"
	case KindFloat64:
		u := little(p).Uint64()
		if f := math.Float64frombits(u); f == f {
			return strconv.FormatFloat(f, 'x', -1, 64)
		} else if u != 0x7FF8000000000000 {
			refuse("NaN %x", u)
		}
		return "NaN"
	case KindString:
		if !utf8.Valid(p) {
			refuse("text %x", p)
		}
		return string(p)
	case KindBytes:
		return hex.EncodeToString(p)
	case KindID:
		if len(p) != 16 {
			refuse("id of %d bytes", len(p))
		}
		return hex.EncodeToString(p)
	case KindTime:
		return twinTime(p)
	case KindDecimal:
		return twinDecimal(p)
	case KindMessage:
		return twinMessage(p, t)
	case KindList:
		list := []any{}
		for len(p) > 0 {
			list = append(list, twinElement(&p, t.Elem))
		}
		return list
	case KindMap:
		return twinMap(p, t)
	}
	panic("no such kind")
}

func twinTime(p []byte) string {
	sec, nsec := unzig(twinVarint(&p)), twinVarint(&p)
	if len(p) > 0 || nsec.Cmp(big.NewInt(999999999)) > 0 || sec.Cmp(big.NewInt(-62167219200)) < 0 || sec.Cmp(big.NewInt(253402300799)) > 0 {
		refuse("time")
	}
	return time.Unix(sec.Int64(), nsec.Int64()).UTC().Format(time.RFC3339Nano)
}

func twinDecimal(p []byte) string {
	if len(p) == 0 {
		return "0"
	}
	u := twinVarint(&p)
	e := unzig(new(big.Int).Rsh(u, 1))
	m := little(p)
	ten, limit := big.NewInt(10), new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	if len(p) == 0 || len(p) > 16 || p[len(p)-1] == 0 || m.Cmp(limit) >= 0 || new(big.Int).Rem(m, ten).Sign() == 0 ||
		e.Cmp(big.NewInt(-128)) < 0 || e.Cmp(big.NewInt(127)) > 0 {
		refuse("decimal")
	}
	r := new(big.Rat).SetInt(m)
	scale := new(big.Int).Exp(ten, new(big.Int).Abs(e), nil)
	places := 0
	if e.Sign() < 0 {
		r.Quo(r, new(big.Rat).SetInt(scale))
		places = int(-e.Int64())
	} else {
		r.Mul(r, new(big.Rat).SetInt(scale))
	}
	if u.Bit(0) == 1 {
		r.Neg(r)
	}
	return r.FloatString(places)
}

func twinElement(b *[]byte, t *Type) any {
	switch twinWire(t.Kind) {
	case WireInt:
		return twinValue(twinVarint(b), nil, t)
	case WireFixed32:
		return twinValue(nil, take(b, 4), t)
	case WireFixed64:
		return twinValue(nil, take(b, 8), t)
	}
	return twinValue(nil, take(b, twinVarint(b).Uint64()), t)
}

func twinMap(p []byte, t *Type) any {
	pairs := []any{}
	var last []byte
	for first := true; len(p) > 0; first = false {
		from := p
		key := twinElement(&p, t.Key)
		enc := from[:len(from)-len(p)]
		if !first && bytes.Compare(enc, last) <= 0 {
			refuse("keys")
		}
		last = enc
		pairs = append(pairs, []any{key, twinElement(&p, t.Elem)})
	}
	return pairs
}

// twinEncode writes a value as twinDecode returns it; fields that are not there are left
// out.
func twinEncode(v map[string]any, t *Type) (msg []byte) {
	fields := append([]Field(nil), t.Fields...)
	sort.Slice(fields, func(i, j int) bool { return fields[i].Number < fields[j].Number })
	next := uint64(1)
	for _, f := range fields {
		x, ok := v[f.Name]
		if !ok {
			continue
		}
		if gap := uint64(f.Number) - next; gap > 32 {
			b := bigBytes(new(big.Int).SetUint64(gap))
			msg = append(append(msg, 0xF0+byte(len(b)-1)), b...)
		} else if gap > 0 {
			msg = append(msg, 0xD0+byte(gap-1))
		}
		next = uint64(f.Number) + 1
		n, p := twinPayload(x, &f.Type)
		switch {
		case n != nil && n.Cmp(big.NewInt(127)) <= 0:
			msg = append(msg, byte(n.Int64()))
		case n != nil:
			b := bigBytes(n)
			msg = append(append(msg, 0xC0+byte(len(b)-1)), b...)
		case f.Type.Kind == KindFloat32:
			msg = append(append(msg, 0xCC), p...)
		case f.Type.Kind == KindFloat64:
			msg = append(append(msg, 0xCD), p...)
		case len(p) < 64:
			msg = append(append(msg, 0x80+byte(len(p))), p...)
		default:
			b := bigBytes(big.NewInt(int64(len(p))))
			msg = append(append(append(msg, 0xC8+byte(len(b)-1)), b...), p...)
		}
	}
	return msg
}

// bigBytes are n's bytes, lowest first, at least one.
func bigBytes(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b
}

func zig(n *big.Int) *big.Int {
	v := new(big.Int).Lsh(new(big.Int).Abs(n), 1)
	if n.Sign() < 0 {
		v.Sub(v, big.NewInt(1))
	}
	return v
}

func bigInt(x any) *big.Int {
	n, ok := new(big.Int).SetString(x.(string), 10)
	if !ok {
		panic(fmt.Sprintf("%v is no number", x))
	}
	return n
}

func varintOf(n *big.Int) (b []byte) {
	for n = new(big.Int).Set(n); n.BitLen() > 7; n.Rsh(n, 7) {
		b = append(b, byte(n.Bit(0)|n.Bit(1)<<1|n.Bit(2)<<2|n.Bit(3)<<3|n.Bit(4)<<4|n.Bit(5)<<5|n.Bit(6)<<6)|0x80)
	}
	return append(b, byte(n.Int64()))
}

// twinPayload returns the number of an integer, or the payload of anything else.
func twinPayload(x any, t *Type) (n *big.Int, p []byte) {
	switch t.Kind {
	case KindBool:
		if x.(bool) {
			return big.NewInt(1), nil
		}
		return big.NewInt(0), nil
	case KindUint:
		return bigInt(x), nil
	case KindInt, KindDuration:
		return zig(bigInt(x)), nil
	case KindFloat32, KindFloat64:
		f, err := strconv.ParseFloat(x.(string), 64)
		if err != nil {
			panic(err)
		}
		u, size := math.Float64bits(f), 8
		if t.Kind == KindFloat32 {
			u, size = uint64(math.Float32bits(float32(f))), 4
		}
		if f != f {
			u = map[int]uint64{4: 0x7FC00000, 8: 0x7FF8000000000000}[size]
		}
		for i := range size {
			p = append(p, byte(u>>(8*i)))
		}
		return nil, p
	case KindString:
		return nil, []byte(x.(string))
	case KindBytes, KindID:
		p, err := hex.DecodeString(x.(string))
		if err != nil {
			panic(err)
		}
		return nil, p
	case KindTime:
		m, err := time.Parse(time.RFC3339Nano, x.(string))
		if err != nil {
			panic(err)
		}
		return nil, append(varintOf(zig(big.NewInt(m.Unix()))), varintOf(big.NewInt(int64(m.Nanosecond())))...)
	case KindDecimal:
		return nil, twinDecimalBytes(x.(string))
	case KindMessage:
		return nil, twinEncode(x.(map[string]any), t)
	case KindList:
		for _, e := range x.([]any) {
			p = append(p, elementOf(e, t.Elem)...)
		}
		return nil, p
	}
	for _, e := range x.([]any) {
		p = append(append(p, elementOf(e.([]any)[0], t.Key)...), elementOf(e.([]any)[1], t.Elem)...)
	}
	return nil, p
}

func elementOf(x any, t *Type) []byte {
	n, p := twinPayload(x, t)
	switch {
	case n != nil:
		return varintOf(n)
	case twinWire(t.Kind) != WireBytes:
		return p
	}
	return append(varintOf(big.NewInt(int64(len(p)))), p...)
}

func twinDecimalBytes(s string) []byte {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	if r.Sign() == 0 {
		return nil
	}
	e, ten := int64(0), new(big.Rat).SetInt64(10)
	for !r.IsInt() {
		r.Mul(r, ten)
		e--
	}
	m := new(big.Int).Set(r.Num())
	for new(big.Int).Rem(m, big.NewInt(10)).Sign() == 0 {
		m.Quo(m, big.NewInt(10))
		e++
	}
	u := zig(big.NewInt(e))
	u.Lsh(u, 1)
	if m.Sign() < 0 {
		u.Add(u, big.NewInt(1))
	}
	return append(varintOf(u), bigBytes(m.Abs(m))...)
}

// valueOf is a Go value in the twin's form; absent says that it is left out of a message.
func valueOf(v reflect.Value, t *Type) (x any, absent bool) {
	if t.Optional {
		if v.IsNil() {
			return nil, true
		}
		plain := *t
		plain.Optional = false
		x, _ = valueOf(v.Elem(), &plain)
		return x, false
	}
	if _, code := goKind(v.Type()); code == opText {
		v = reflect.ValueOf(fmt.Sprint(v.Interface()))
		if v.String() == "invalid IP" {
			v = reflect.ValueOf("")
		}
	}
	switch t.Kind {
	case KindBool:
		x = v.Bool()
	case KindInt, KindDuration:
		x = strconv.FormatInt(v.Int(), 10)
	case KindUint:
		x = strconv.FormatUint(v.Uint(), 10)
	case KindFloat32:
		x = strconv.FormatFloat(v.Float(), 'x', -1, 32)
	case KindFloat64:
		x = strconv.FormatFloat(v.Float(), 'x', -1, 64)
	case KindString:
		x = v.String()
	case KindBytes:
		if v.IsNil() {
			return nil, true
		}
		x = hex.EncodeToString(v.Bytes())
	case KindID:
		x = fmt.Sprintf("%x", v.Interface())
	case KindTime:
		x = v.Interface().(time.Time).UTC().Format(time.RFC3339Nano)
	case KindDecimal:
		x = v.Interface().(Decimal).String()
	case KindMessage:
		m := map[string]any{}
		for _, f := range t.Fields {
			if y, absent := valueOf(v.FieldByName(f.Name), &f.Type); !absent {
				m[f.Name] = y
			}
		}
		x = m
	case KindList:
		if v.IsNil() {
			return nil, true
		}
		list := []any{}
		for i := range v.Len() {
			y, _ := valueOf(v.Index(i), t.Elem)
			list = append(list, y)
		}
		return list, false
	case KindMap:
		if v.IsNil() {
			return nil, true
		}
		pairs := []any{}
		for it := v.MapRange(); it.Next(); {
			k, _ := valueOf(it.Key(), t.Key)
			y, _ := valueOf(it.Value(), t.Elem)
			pairs = append(pairs, []any{k, y})
		}
		sort.Slice(pairs, func(i, j int) bool {
			return bytes.Compare(elementOf(pairs[i].([]any)[0], t.Key), elementOf(pairs[j].([]any)[0], t.Key)) < 0
		})
		return pairs, false
	}
	return x, reflect.DeepEqual(x, twinZero[t.Kind])
}
