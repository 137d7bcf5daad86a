package model

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/binenc"
)

// KeyFor returns the key encoding of a Go value in a field of type t, as indexes hold it.
// Pointers are followed; nil is the absent value of an optional field. Integers of any
// size fit where their value does, and text fits an id.
func KeyFor(t *binenc.Type, v any) (string, error) {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if !rv.IsValid() || rv.Kind() == reflect.Pointer {
		if t.Optional {
			return string(binenc.AppendKeyNull(nil)), nil
		}
		return "", fmt.Errorf("model: nil is no %s", t)
	}
	key, ok := keyFor(t.Kind, rv)
	if !ok {
		return "", fmt.Errorf("model: a %s is no %s", rv.Type(), t)
	}
	return string(key), nil
}

func keyFor(k binenc.Kind, v reflect.Value) ([]byte, bool) {
	switch k {
	case binenc.KindBool:
		if v.Kind() == reflect.Bool {
			return binenc.AppendKeyBool(nil, v.Bool()), true
		}
	case binenc.KindInt, binenc.KindDuration:
		if v.CanInt() {
			return binenc.AppendKeyInt(nil, v.Int()), true
		}
		if v.CanUint() && v.Uint() <= math.MaxInt64 {
			return binenc.AppendKeyInt(nil, int64(v.Uint())), true
		}
	case binenc.KindUint:
		if v.CanUint() {
			return binenc.AppendKeyUint(nil, v.Uint()), true
		}
		if v.CanInt() && v.Int() >= 0 {
			return binenc.AppendKeyUint(nil, uint64(v.Int())), true
		}
	case binenc.KindFloat32, binenc.KindFloat64:
		if v.CanFloat() {
			return binenc.AppendKeyFloat64(nil, v.Float()), true
		}
	case binenc.KindTime:
		if t, ok := v.Interface().(time.Time); ok {
			return binenc.AppendKeyTime(nil, t), true
		}
	case binenc.KindDecimal:
		if d, ok := v.Interface().(binenc.Decimal); ok {
			return binenc.AppendKeyDecimal(nil, d), true
		}
	case binenc.KindBytes:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return binenc.AppendKeyBytes(nil, v.Bytes()), true
		}
	case binenc.KindID:
		if v.Kind() == reflect.Array && v.Len() == 16 && v.Type().Elem().Kind() == reflect.Uint8 {
			var id ID
			reflect.Copy(reflect.ValueOf(&id).Elem(), v)
			return binenc.AppendKeyID(nil, id), true
		}
		if v.Kind() == reflect.String {
			id, err := ParseID(v.String())
			return binenc.AppendKeyID(nil, id), err == nil
		}
	case binenc.KindString:
		if m, ok := v.Interface().(encoding.TextMarshaler); ok {
			b, err := m.MarshalText()
			return binenc.AppendKeyBytes(nil, b), err == nil
		}
		if v.Kind() == reflect.String {
			return binenc.AppendKeyString(nil, v.String()), true
		}
	}
	return nil, false
}
