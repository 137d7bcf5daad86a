package jsonx

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// RawValue is one JSON value as text: checked and compacted when written, copied as it stands when read.
type RawValue []byte

// methodEnc returns how a type with methods is written, or nil.
func methodEnc(k encKey) encFunc {
	if k.t.Kind() == reflect.Pointer || k.t.Kind() == reflect.Interface { // their element says it
		return nil
	}
	for _, m := range []struct {
		method reflect.Type
		enc    func(reflect.Type) encFunc
	}{{appenderType, encAppender}, {marshalerType, encMarshaler}, {textType, encText}} {
		if k.t.Implements(m.method) || k.addressable && reflect.PointerTo(k.t).Implements(m.method) {
			return m.enc(k.t)
		}
	}
	return nil
}

// given checks what a method wrote and adds it to b, without white space between tokens.
func (e *encodeState) given(b, text []byte, err error, t reflect.Type) ([]byte, error) {
	n := len(b)
	if err == nil {
		b, err = compact(b, text, e.opt.maxDepth-e.depth)
	}
	if err != nil {
		return b[:n], fmt.Errorf("jsonx: marshal %v: %w", t, err)
	}
	if e.opt.html && bytes.ContainsAny(b[n:], "<>&\u2028\u2029") {
		b = appendForHTML(b[:n], bytes.Clone(b[n:]))
	}
	return b, nil
}

func encRaw(e *encodeState, b []byte, p loc) ([]byte, error) {
	raw := valueAt(rawType, p).Bytes()
	if raw == nil {
		return append(b, "null"...), nil
	}
	return e.given(b, raw, nil, rawType)
}

var errTwoValues = errors.New("AppendJSON must append one value")

// encAppender lets the value write itself at the end of b, and checks that it was one value. Only if there are line
// breaks in it, or HTML is to be escaped, it is written once more.
func encAppender(t reflect.Type) encFunc {
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		n := len(b)
		out, err := valueAt(t, p).Addr().Interface().(appender).AppendJSON(b)
		if err == nil && len(out) < n {
			err = errTwoValues
		}
		if err != nil {
			return b, fmt.Errorf("jsonx: marshal %v: %w", t, err)
		}
		end, bad := skipValue(out, n, e.opt.maxDepth-e.depth, nil)
		if bad == "" && end == len(out) && !e.opt.html && bytes.IndexByte(out[n:], '\n') < 0 {
			return out, nil
		}
		return e.given(out[:n], bytes.Clone(out[n:]), nil, t)
	}
}

func encMarshaler(t reflect.Type) encFunc {
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		text, err := valueAt(t, p).Addr().Interface().(marshaler).MarshalJSON()
		return e.given(b, text, err, t)
	}
}

func encText(t reflect.Type) encFunc {
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		text, err := valueAt(t, p).Addr().Interface().(encoding.TextMarshaler).MarshalText()
		if err == nil {
			b, err = appendQuote(b, string(text), e.opt.html)
		}
		if err != nil {
			return b, fmt.Errorf("jsonx: marshal %v: %w", t, err)
		}
		return b, nil
	}
}

func encTime(_ *encodeState, b []byte, p loc) ([]byte, error) {
	return appendTime(b, *typedAt[time.Time](p))
}

// appendTime writes a time as time.Time does: RFC 3339 with as many digits of the second as there are.
func appendTime(b []byte, t time.Time) ([]byte, error) {
	_, offset := t.Zone()
	if y := t.Year(); y < 0 || y > 9999 || offset%60 != 0 || offset <= -24*3600 || offset >= 24*3600 {
		if _, err := t.MarshalText(); err != nil {
			return b, fmt.Errorf("jsonx: marshal %v: %w", timeType, err)
		}
	}
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"'), nil
}
