package model

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
)

// A sealed value stands in a field of the same type as what it holds: behind this mark, as
// it is in a []byte, in base64 in a text. What does not begin with the mark was stored
// before the field was sealed.
const sealedMark = "\x01sealed:"

var bytesType = reflect.TypeFor[[]byte]()

// Seals says whether the model has sealed fields.
func (m *Model) Seals() bool { return m.sealed != nil }

// checkPrivacy finds the sealed fields, and refuses those that cannot be.
func (m *Model) checkPrivacy(errs *[]error) {
	bad := func(f *Field, problem string) {
		*errs = append(*errs, &TagError{Type: m.Type.String(), Field: f.GoName, Tag: "privacy", Problem: problem})
	}
	for _, f := range m.Fields {
		if f.Subject {
			if m.subject != nil {
				bad(f, "a second subject")
			}
			if m.subject = f; !keyKind(f.Type) || f.Type.Optional || f.Sealed {
				bad(f, "a subject is an ID, a string or an integer, and is not sealed itself")
			}
		}
		if f.Sealed {
			m.sealed = append(m.sealed, f)
			m.checkSealed(f, bad)
		}
	}
	if m.Seals() && m.subject == nil {
		bad(m.sealed[0], "a sealed field needs a field with privacy:\"subject\", which says whose key it is")
	}
	if m.subject != nil && !m.Seals() {
		bad(m.subject, "a subject without a sealed field has no effect")
	}
	if m.Seals() && m.MemoryOnly {
		bad(m.sealed[0], "a memory_only model stores nothing that could be sealed")
	}
}

func (m *Model) checkSealed(f *Field, bad func(*Field, string)) {
	indexed := f.Unique || f.Indexed || f.Primary || f.FK != ""
	for _, x := range m.Indexes {
		indexed = indexed || slices.Contains(x.Fields, f) || slices.ContainsFunc(x.Where, func(c FieldCondition) bool { return c.Field == f })
	}
	switch {
	case indexed:
		bad(f, "a sealed field is the same to nobody, so it cannot be a key, unique, indexed or a foreign key")
	case f.GoType.Kind() != reflect.String && f.GoType != bytesType && !(f.GoType.Kind() == reflect.Pointer && f.GoType.Elem().Kind() == reflect.String):
		bad(f, "a sealed field is a string, *string or []byte")
	}
}

// Opener opens a sealed value that stands in a place. ok is false when its key was erased:
// then the field has no value. An error is damage.
type Opener func(sealed, place []byte) (plain []byte, ok bool, err error)

// OpenSealed makes Decode open sealed fields. It comes before any use of the codec.
func (c *Codec) OpenSealed(open Opener) { c.open = open }

// place is what binds a sealed value to the field and the record it stands in.
func (c *Codec) place(f *Field, key string) []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s", c.model.Name, f.Name, key)
}

// openFields opens the sealed fields of *ptr.
func (c *Codec) openFields(ptr any) error {
	v := reflect.ValueOf(ptr).Elem()
	key := ""
	for _, f := range c.model.sealed {
		text, there := sealedText(v.FieldByIndex(f.Index))
		if !there {
			continue
		}
		if key == "" {
			var err error
			if key, err = c.Key(ptr); err != nil {
				return err
			}
		}
		plain, err := c.openOne(f, key, text)
		if err != nil {
			return fmt.Errorf("model: %s.%s: %w", c.model.Name, f.Name, err)
		}
		setText(v.FieldByIndex(f.Index), plain)
	}
	return nil
}

// openOne returns what a sealed value holds; nil when its key was erased.
func (c *Codec) openOne(f *Field, key string, text []byte) ([]byte, error) {
	sealed := text[len(sealedMark):]
	if f.Type.Kind != binenc.KindBytes {
		var err error
		if sealed, err = base64.RawStdEncoding.AppendDecode(nil, sealed); err != nil {
			return nil, err
		}
	}
	plain, ok, err := c.open(sealed, c.place(f, key))
	if err != nil || !ok {
		return nil, err
	}
	if plain == nil {
		plain = []byte{}
	}
	return plain, nil
}

// sealedText returns the value of a field that holds a sealed one.
func sealedText(v reflect.Value) (text []byte, ok bool) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return nil, false
	case v.Kind() == reflect.Pointer:
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		if !strings.HasPrefix(v.String(), sealedMark) {
			return nil, false
		}
		return []byte(v.String()), true
	}
	b := v.Bytes()
	return b, strings.HasPrefix(string(b[:min(len(b), len(sealedMark))]), sealedMark)
}

// setText gives a field a value; nil is none.
func setText(v reflect.Value, plain []byte) {
	switch {
	case plain == nil:
		v.SetZero()
	case v.Kind() == reflect.Pointer:
		s := reflect.New(v.Type().Elem())
		s.Elem().SetString(string(plain))
		v.Set(s)
	case v.Kind() == reflect.String:
		v.SetString(string(plain))
	default:
		v.SetBytes(plain)
	}
}

// Plain is the value of a field that is to be sealed.
type Plain struct {
	Field  *Field
	Number uint32 // of the field
	Value  []byte
	Place  []byte // what it is bound to
}

// ToSeal returns the values of the record *ptr points to that are to be sealed, by number
// of the field, and the text of its subject. Fields without a value, and empty ones, are
// left out.
func (c *Codec) ToSeal(ptr any, key string) (subject string, list []Plain) {
	v := reflect.ValueOf(ptr).Elem()
	for _, f := range c.model.sealed {
		fv := v.FieldByIndex(f.Index)
		if fv.Kind() == reflect.Pointer {
			if fv.IsNil() {
				continue
			}
			fv = fv.Elem()
		}
		p := Plain{Field: f, Number: c.numbers[f.Name], Place: c.place(f, key)}
		if fv.Kind() == reflect.String {
			p.Value = []byte(fv.String())
		} else {
			p.Value = fv.Bytes()
		}
		if len(p.Value) > 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Plain) int { return int(a.Number) - int(b.Number) })
	if len(list) > 0 {
		subject = subjectText(v.FieldByIndex(c.model.subject.Index))
	}
	return subject, list
}

// subjectText is a subject as text; "" for a zero value.
func subjectText(v reflect.Value) string {
	if v.IsZero() {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// SubjectField returns the name of the field that says whom a record is about; "" without
// one.
func (m *Model) SubjectField() string {
	if m.subject == nil {
		return ""
	}
	return m.subject.Name
}

// Sealed returns the value of a field that holds what was sealed.
func (p *Plain) Sealed(sealed []byte) []byte {
	if p.Field.Type.Kind == binenc.KindBytes {
		return append([]byte(sealedMark), sealed...)
	}
	return base64.RawStdEncoding.AppendEncode([]byte(sealedMark), sealed)
}

// Unsealed returns what was sealed of a stored value; ok is false when it is not sealed.
func (p *Plain) Unsealed(stored []byte) (sealed []byte, ok bool) {
	rest, ok := strings.CutPrefix(string(stored), sealedMark)
	if !ok || p.Field.Type.Kind == binenc.KindBytes {
		return []byte(rest), ok
	}
	sealed, err := base64.RawStdEncoding.DecodeString(rest)
	return sealed, err == nil
}
