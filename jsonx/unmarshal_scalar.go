package jsonx

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strconv"
)

var errUnsupported = errors.New("unsupported Go type")

type (
	signed   interface{ int8 | int16 | int32 | int64 }
	unsigned interface {
		uint8 | uint16 | uint32 | uint64
	}
	number interface {
		signed | unsigned | float32 | float64
	}
)

func decBool(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if b := d.data; len(b)-i >= 4 && string(b[i:i+4]) == "true" {
			setBool(p, true)
			return i + 4
		} else if len(b)-i >= 5 && string(b[i:i+5]) == "false" {
			setBool(p, false)
			return i + 5
		}
		return d.other(i, t)
	}
}

func decString(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		b := d.data
		if i >= len(b) || b[i] != '"' {
			return d.other(i, t)
		}
		s, end := d.stringAt(i, t)
		if end >= 0 {
			setString(p, s)
		}
		return end
	}
}

// stringAt reads a string; null is the empty one.
func (d *decodeState) stringAt(i int, t reflect.Type) (string, int) {
	b := d.data
	if i >= len(b) || b[i] != '"' {
		return "", d.other(i, t)
	}
	if end := plainRun(b, i+1); end < len(b) && b[end] == '"' && end-i <= d.opt.maxString {
		return d.text(b[i+1:end], end), end + 1
	}
	chars, end := d.charsAt(i)
	if end < 0 {
		return "", end
	}
	return d.text(chars, end), end
}

// decNumber keeps the text of a number; a string that has the text of one will do, as with encoding/json.
func decNumber(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if i < len(d.data) && d.data[i] == '"' {
			chars, end := d.charsAt(i)
			if end < 0 {
				return failed
			}
			if n, _, bad := scanNumber(chars, 0); bad != "" || n != len(chars) {
				return d.misfit(i, t, "string", strconv.ErrSyntax)
			}
			setString(p, string(chars))
			return end
		}
		if !d.numberAt(i) {
			return d.other(i, t)
		}
		end, _, bad := scanNumber(d.data, i)
		if bad != "" {
			return d.bad(end, bad)
		}
		setString(p, d.text(d.data[i:end], end))
		return end
	}
}

// numberAt reports whether a number begins at i.
func (d *decodeState) numberAt(i int) bool {
	return i < len(d.data) && (d.data[i] == '-' || d.data[i]-'0' < 10)
}

// decNumeric returns the plan of a type of integers or floats, nil for other kinds.
func decNumeric(t reflect.Type) decFunc {
	switch t.Kind() {
	case reflect.Int8:
		return decInt[int8](t)
	case reflect.Int16:
		return decInt[int16](t)
	case reflect.Int32:
		return decInt[int32](t)
	case reflect.Int64:
		return decInt[int64](t)
	case reflect.Uint8:
		return decUint[uint8](t)
	case reflect.Uint16:
		return decUint[uint16](t)
	case reflect.Uint32:
		return decUint[uint32](t)
	case reflect.Uint64:
		return decUint[uint64](t)
	case reflect.Int:
		if strconv.IntSize == 32 {
			return decInt[int32](t)
		}
		return decInt[int64](t)
	case reflect.Uint, reflect.Uintptr:
		if t.Bits() == 32 {
			return decUint[uint32](t)
		}
		return decUint[uint64](t)
	case reflect.Float32:
		return decFloat[float32](t)
	case reflect.Float64:
		return decFloat[float64](t)
	}
	return nil
}

func decInt[T signed](t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if !d.numberAt(i) {
			return d.other(i, t)
		}
		v, end := intAt[T](d, i, t)
		if end >= 0 {
			setInt(p, v)
		}
		return end
	}
}

func decUint[T unsigned](t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if !d.numberAt(i) {
			return d.other(i, t)
		}
		v, end := uintAt[T](d, i, t)
		if end >= 0 {
			setUint(p, v)
		}
		return end
	}
}

func decFloat[T float32 | float64](t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if !d.numberAt(i) {
			return d.other(i, t)
		}
		v, end := floatAt[T](d, i, t)
		if end >= 0 {
			setFloat(p, v)
		}
		return end
	}
}

// wholeAt reads the number at i if it is an integer of up to 64 bits and a sign. 1.0 and 1e3 are no integers, as with
// encoding/json.
func (d *decodeState) wholeAt(i int, t reflect.Type) (negative bool, u uint64, end int) {
	b, from := d.data, i
	if b[i] == '-' {
		negative, from = true, i+1
	}
	u, end = addDigits(b, from, 0)
	if n := end - from; uint(n-1) < 18 && (n == 1 || b[from] != '0') && (end == len(b) || !goesOn(b[end])) {
		return negative, u, end
	}
	end, integer, bad := scanNumber(b, i)
	if bad != "" {
		return false, 0, d.bad(end, bad)
	}
	u, ok := parseUint(b[from:max(from, end)])
	if !integer || !ok {
		return false, 0, d.outOfRange(i, end, t)
	}
	return negative, u, end
}

// goesOn reports whether c can follow the digits of an integer within a number.
func goesOn(c byte) bool { return c == '.' || c|0x20 == 'e' }

func (d *decodeState) outOfRange(i, end int, t reflect.Type) int {
	return d.misfit(i, t, kindOf(d.data[i:end]), strconv.ErrRange)
}

func intAt[T signed](d *decodeState, i int, t reflect.Type) (T, int) {
	negative, u, end := d.wholeAt(i, t)
	v := int64(u)
	if negative {
		v = -v
	}
	if end >= 0 && (int64(T(v)) != v || v < 0 != (negative && u != 0)) {
		return 0, d.outOfRange(i, end, t)
	}
	return T(v), end
}

func uintAt[T unsigned](d *decodeState, i int, t reflect.Type) (T, int) {
	negative, u, end := d.wholeAt(i, t)
	if end >= 0 && (negative || uint64(T(u)) != u) {
		return 0, d.outOfRange(i, end, t)
	}
	return T(u), end
}

func floatAt[T float32 | float64](d *decodeState, i int, t reflect.Type) (T, int) {
	var (
		v   T
		end int
		ok  bool
	)
	switch p := any(&v).(type) {
	case *float64:
		*p, end, ok = parseFloat64(d.data, i)
	case *float32:
		*p, end, ok = parseFloat32(d.data, i)
	}
	if !ok {
		if end < 0 {
			end, _, bad := scanNumber(d.data, i)
			return 0, d.bad(end, bad)
		}
		return 0, d.outOfRange(i, end, t)
	}
	return v, end
}

// bytesAt reads a string as base64 (RFC 4648 §4).
func (d *decodeState) bytesAt(i int, t reflect.Type) ([]byte, int) {
	chars, end := d.charsAt(i)
	if end < 0 {
		return nil, failed
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(chars)))
	n, err := base64.StdEncoding.Decode(out, chars)
	if err != nil {
		return nil, d.misfit(i, t, "string", err)
	}
	return out[:n], end
}
