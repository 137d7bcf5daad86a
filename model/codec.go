package model

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/binenc"
)

// Codec turns values of the model's type into records of a schema and back. It is safe
// for concurrent use.
type Codec struct {
	model   *Model
	plan    *binenc.Plan
	knows   []bool // by field number
	kind    binenc.Kind
	primary []int
	numbers map[string]uint32 // of the sealed fields, by name
	open    Opener            // nil: sealed fields stay as they are
}

// Bind ties the model to the schema that the log declares. Every stored field of the
// struct must be in it.
func (m *Model) Bind(s *Schema) (*Codec, error) {
	plan, err := binenc.Compile(m.Type, s.Type(), storedName)
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", m.Name, err)
	}
	c := &Codec{model: m, plan: plan, kind: m.Primary.Type.Kind, primary: m.Primary.Index, numbers: map[string]uint32{}}
	for _, f := range m.sealed {
		c.numbers[f.Name] = s.Field(f.Name).Number
	}
	for _, f := range m.Fields {
		n := int(s.Field(f.Name).Number)
		for len(c.knows) <= n {
			c.knows = append(c.knows, false)
		}
		c.knows[n] = true
	}
	return c, nil
}

// Append appends the record of *ptr.
func (c *Codec) Append(dst []byte, ptr any) ([]byte, error) { return c.plan.Append(dst, ptr) }

// Decode fills *ptr from a record. Sealed fields are opened where the codec can, see
// [Codec.OpenSealed].
func (c *Codec) Decode(rec []byte, ptr any) error {
	if err := c.plan.Decode(rec, ptr); err != nil || c.open == nil {
		return err
	}
	return c.openFields(ptr)
}

// New returns a new *T.
func (c *Codec) New() any { return reflect.New(c.model.Type).Interface() }

// Knows says whether the struct has a field of that number. Others were written by
// newer code, or dropped.
func (c *Codec) Knows(number uint32) bool { return int(number) < len(c.knows) && c.knows[number] }

// KeyError is text or a value that is no key of the model.
type KeyError struct {
	Model, Text, Want string
}

// Error says what a key looks like.
func (e *KeyError) Error() string {
	return fmt.Sprintf("model: %q is no key of %s: want %s", e.Text, e.Model, e.Want)
}

func (c *Codec) keyError(text string) error {
	want := map[binenc.Kind]string{binenc.KindID: "an id such as " + ID{}.String(), binenc.KindString: "text of 1 to 512 bytes", binenc.KindInt: "a whole number", binenc.KindUint: "a whole number, 0 or more"}
	return &KeyError{Model: c.model.Name, Text: text, Want: want[c.kind]}
}

// MaxKeyBytes bounds a text key.
const MaxKeyBytes = 512

// Key returns the order-preserving primary key of *ptr. Zero ids and empty texts are no
// keys.
func (c *Codec) Key(ptr any) (string, error) {
	return c.key(reflect.ValueOf(ptr).Elem().FieldByIndex(c.primary))
}

func (c *Codec) key(v reflect.Value) (string, error) {
	switch c.kind {
	case binenc.KindID:
		var id ID
		reflect.Copy(reflect.ValueOf(&id).Elem(), v)
		if id.IsZero() {
			return "", c.keyError("")
		}
		return string(binenc.AppendKeyID(nil, id)), nil
	case binenc.KindInt:
		return string(binenc.AppendKeyInt(nil, v.Int())), nil
	case binenc.KindUint:
		return string(binenc.AppendKeyUint(nil, v.Uint())), nil
	}
	s := v.String()
	if s == "" || len(s) > MaxKeyBytes {
		return "", c.keyError(s)
	}
	return string(binenc.AppendKeyString(nil, s)), nil
}

// SetKey sets the primary key of *ptr to an order-preserving key, as an event has it.
func (c *Codec) SetKey(ptr any, key string) error {
	v := reflect.ValueOf(ptr).Elem().FieldByIndex(c.primary)
	var err error
	switch c.kind {
	case binenc.KindID:
		var id [16]byte
		if id, _, err = binenc.DecodeKeyID([]byte(key)); err == nil {
			reflect.Copy(v, reflect.ValueOf(&id).Elem())
		}
	case binenc.KindInt:
		var n int64
		if n, _, err = binenc.DecodeKeyInt([]byte(key)); err == nil {
			v.SetInt(n)
		}
	case binenc.KindUint:
		var n uint64
		if n, _, err = binenc.DecodeKeyUint([]byte(key)); err == nil {
			v.SetUint(n)
		}
	default:
		var s string
		if s, _, err = binenc.DecodeKeyString([]byte(key)); err == nil {
			v.SetString(s)
		}
	}
	return err
}

// ParseKey reads a key from a segment of a URL path. An integer has one text: no sign
// plus, no leading zeros.
func (c *Codec) ParseKey(text string) (string, error) {
	v := reflect.New(c.model.Primary.GoType).Elem()
	switch c.kind {
	case binenc.KindID:
		id, err := ParseID(text)
		if err != nil {
			return "", c.keyError(text)
		}
		if id.IsZero() {
			return "", c.keyError(text)
		}
		return string(binenc.AppendKeyID(nil, id)), nil
	case binenc.KindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.OverflowInt(n) || strconv.FormatInt(n, 10) != text {
			return "", c.keyError(text)
		}
		return string(binenc.AppendKeyInt(nil, n)), nil
	case binenc.KindUint:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v.OverflowUint(n) || strconv.FormatUint(n, 10) != text {
			return "", c.keyError(text)
		}
		return string(binenc.AppendKeyUint(nil, n)), nil
	}
	v.SetString(text)
	return c.key(v)
}

// KeyText renders a key as it stands in URLs; what is no key is rendered as hex.
func (c *Codec) KeyText(key string) string { return keyText(c.kind, key) }

func keyText(kind binenc.Kind, key string) string {
	switch kind {
	case binenc.KindID:
		if id, _, err := binenc.DecodeKeyID([]byte(key)); err == nil {
			return ID(id).String()
		}
	case binenc.KindInt:
		if n, _, err := binenc.DecodeKeyInt([]byte(key)); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case binenc.KindUint:
		if n, _, err := binenc.DecodeKeyUint([]byte(key)); err == nil {
			return strconv.FormatUint(n, 10)
		}
	case binenc.KindString:
		if s, _, err := binenc.DecodeKeyString([]byte(key)); err == nil {
			return s
		}
	}
	return fmt.Sprintf("%x", key)
}

// KeyOf returns the key for a Go value: one of the key's own type, its text, or any
// integer that fits.
func (c *Codec) KeyOf(v any) (string, error) {
	k, err := c.AppendKeyOf(nil, v)
	return string(k), err
}

// AppendKeyOf is KeyOf that appends to dst. It does not keep v, so that a caller with a
// buffer need not allocate.
func (c *Codec) AppendKeyOf(dst []byte, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	switch k := rv.Kind(); {
	case k == reflect.String && c.kind == binenc.KindString:
		s := rv.String()
		if s == "" || len(s) > MaxKeyBytes {
			return nil, c.keyError(strings.Clone(s))
		}
		return binenc.AppendKeyString(dst, s), nil
	case k == reflect.String:
		key, err := c.ParseKey(strings.Clone(rv.String()))
		return append(dst, key...), err
	case c.kind == binenc.KindID && k == reflect.Array && rv.Len() == 16 && rv.Type().Elem().Kind() == reflect.Uint8:
		id := idOf(v, rv)
		if id.IsZero() {
			return nil, c.keyError("")
		}
		return binenc.AppendKeyID(dst, id), nil
	case c.kind == binenc.KindInt && rv.CanInt():
		return binenc.AppendKeyInt(dst, rv.Int()), nil
	case c.kind == binenc.KindInt && rv.CanUint() && rv.Uint() <= math.MaxInt64:
		return binenc.AppendKeyInt(dst, int64(rv.Uint())), nil
	case c.kind == binenc.KindUint && rv.CanUint():
		return binenc.AppendKeyUint(dst, rv.Uint()), nil
	case c.kind == binenc.KindUint && rv.CanInt() && rv.Int() >= 0:
		return binenc.AppendKeyUint(dst, uint64(rv.Int())), nil
	case rv.CanInt():
		return nil, c.keyError(strconv.FormatInt(rv.Int(), 10))
	case rv.CanUint():
		return nil, c.keyError(strconv.FormatUint(rv.Uint(), 10))
	}
	return nil, c.keyError("a value of kind " + rv.Kind().String())
}

// idOf reads an array of 16 bytes, of whatever type.
func idOf(v any, rv reflect.Value) (id ID) {
	switch own := v.(type) {
	case ID:
		return own
	case [16]byte:
		return own
	}
	for i := range id {
		id[i] = byte(rv.Index(i).Uint())
	}
	return id
}
