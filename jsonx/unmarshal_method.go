package jsonx

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"time"
)

func decRaw(d *decodeState, i int, p loc) int {
	end := d.pass(i)
	if end >= 0 {
		valueAt(rawType, p).SetBytes(append([]byte(nil), d.data[i:end]...))
	}
	return end
}

func decUnmarshalerX(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		end := d.pass(i)
		if end < 0 {
			return failed
		}
		in := &Decoder{buf: d.data[i:end:end], opt: d.opt, eof: true}
		err := valueAt(t, p).Addr().Interface().(unmarshalerX).UnmarshalJSONX(in)
		if err == nil && in.More() {
			err = errors.New("UnmarshalJSONX left part of its value unread")
		}
		if err != nil {
			return d.misfit(i, t, kindOf(d.data[i:end]), err)
		}
		return end
	}
}

func decUnmarshaler(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		end := d.pass(i)
		if end < 0 {
			return failed
		}
		if err := valueAt(t, p).Addr().Interface().(unmarshaler).UnmarshalJSON(d.data[i:end:end]); err != nil {
			return d.misfit(i, t, kindOf(d.data[i:end]), err)
		}
		return end
	}
}

func decTextUnmarshaler(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if i >= len(d.data) || d.data[i] != '"' {
			return d.other(i, t)
		}
		chars, end := d.charsAt(i)
		if end < 0 {
			return failed
		}
		if err := valueAt(t, p).Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(append([]byte(nil), chars...)); err != nil {
			return d.misfit(i, t, "string", err)
		}
		return end
	}
}

// decTime reads a string of RFC 3339 as time.Time does.
func decTime(d *decodeState, i int, p loc) int {
	if i >= len(d.data) || d.data[i] != '"' {
		return d.other(i, timeType)
	}
	chars, end := d.charsAt(i)
	if end < 0 {
		return failed
	}
	var t time.Time
	if err := t.UnmarshalText(chars); err != nil {
		return d.misfit(i, timeType, "string", err)
	}
	*typedAt[time.Time](p) = t
	return end
}

// decQuoted is the tag option string: the value's text inside a string.
func decQuoted(t reflect.Type, dec decFunc) decFunc {
	return func(d *decodeState, i int, p loc) int {
		if i < len(d.data) && d.data[i] == 'n' {
			return dec(d, i, p)
		}
		if i >= len(d.data) || d.data[i] != '"' {
			return d.other(i, t)
		}
		chars, end := d.charsAt(i)
		if end < 0 {
			return failed
		}
		inner := decodePool.Get().(*decodeState)
		inner.data, inner.opt, inner.custom = append([]byte(nil), chars...), d.opt, true
		n := dec(inner, 0, p)
		err := inner.err
		if n >= 0 && n != len(chars) {
			err = strconv.ErrSyntax
		}
		inner.free()
		if err != nil {
			return d.misfit(i, t, "string", err)
		}
		return end
	}
}

// numberCause takes a number's error out of what strconv wraps around it.
func numberCause(err error) error {
	if e, ok := errors.AsType[*strconv.NumError](err); ok {
		return e.Err
	}
	return err
}
