package model

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/lithair/lithair-go/binenc"
)

// Schema is what the log declares about a model, independent of Go.
type Schema struct {
	Model   string
	Number  uint32 // of the model; events name it by this
	Version uint32 // counts the declarations of this model, from 1
	Fields  []SchemaField
	Indexes []Index // declared ones, by number; see also AllIndexes
}

// SchemaField is a field of a schema. Its number is given once and never reused.
type SchemaField struct {
	Number                   uint32
	Name                     string
	Type                     binenc.Type
	Primary, Unique, Indexed bool
	FK, OnDelete             string
	Dropped                  bool // no longer in the struct; its values stay in old records
}

// Field returns the field of that name that is not dropped; nil when there is none.
func (s *Schema) Field(name string) *SchemaField {
	for i := range s.Fields {
		if f := &s.Fields[i]; f.Name == name && !f.Dropped {
			return f
		}
	}
	return nil
}

// ByNumber returns the field of that number; nil when there is none.
func (s *Schema) ByNumber(n uint32) *SchemaField {
	for i := range s.Fields {
		if s.Fields[i].Number == n {
			return &s.Fields[i]
		}
	}
	return nil
}

// PrimaryField returns the field of the primary key; nil in a schema without.
func (s *Schema) PrimaryField() *SchemaField {
	for i := range s.Fields {
		if f := &s.Fields[i]; f.Primary && !f.Dropped {
			return f
		}
	}
	return nil
}

// KeyText renders a primary key for people; as hex where it is none.
func (s *Schema) KeyText(key string) string {
	kind := binenc.Kind(0)
	if f := s.PrimaryField(); f != nil {
		kind = f.Type.Kind
	}
	return keyText(kind, key)
}

// Type returns the message type of a record.
func (s *Schema) Type() *binenc.Type {
	t := &binenc.Type{Kind: binenc.KindMessage}
	for _, f := range s.Fields {
		if !f.Dropped {
			t.Fields = append(t.Fields, binenc.Field{Number: f.Number, Name: f.Name, Type: f.Type})
		}
	}
	return t
}

// A schema is stored as a binenc message, see Append:
//
//	1 model  2 number  3 version  4 fields: n times (length, field)
//	5 indexes: n times (length, index)
//	field: 1 number  2 name  3 type  4 flags  5 fk  6 on_delete
//	index: 1 number  2 numbers of fields, as uvarints  3 unique  4 where: n times (length, condition)
//	condition: 1 field  2 comparison  3 operand, as key encoding
//	type: 1 kind  2 optional  3 elem  4 key  5 fields: n times (length, (1 number 2 name 3 type))
const (
	flagPrimary = 1 << iota
	flagUnique
	flagIndexed
	flagDropped
)

// Append appends the schema's message.
func (s *Schema) Append(dst []byte) []byte {
	e := binenc.NewEncoder(dst)
	e.StringBytes(1, s.Model)
	e.Uint(2, uint64(s.Number))
	e.Uint(3, uint64(s.Version))
	var list []byte
	for i := range s.Fields {
		list = binenc.AppendBytes(list, s.Fields[i].append(nil))
	}
	e.Bytes(4, list)
	list = nil
	for i := range s.Indexes {
		list = binenc.AppendBytes(list, s.Indexes[i].append(nil))
	}
	if len(list) > 0 {
		e.Bytes(5, list)
	}
	return finish(&e)
}

func (f *SchemaField) append(dst []byte) []byte {
	var flags uint64
	for _, x := range []struct {
		on  bool
		bit uint64
	}{{f.Primary, flagPrimary}, {f.Unique, flagUnique}, {f.Indexed, flagIndexed}, {f.Dropped, flagDropped}} {
		if x.on {
			flags |= x.bit
		}
	}
	e := binenc.NewEncoder(dst)
	e.Uint(1, uint64(f.Number))
	e.StringBytes(2, f.Name)
	e.Bytes(3, appendType(nil, &f.Type))
	e.Uint(4, flags)
	e.StringBytes(5, f.FK)
	e.StringBytes(6, f.OnDelete)
	return finish(&e)
}

// finish ends a message of names and numbers, with which nothing can be wrong.
func finish(e *binenc.Encoder) []byte {
	m, err := e.Message()
	if err != nil {
		panic("model: " + err.Error())
	}
	return m
}

func appendType(dst []byte, t *binenc.Type) []byte {
	e := binenc.NewEncoder(dst)
	e.Uint(1, uint64(t.Kind))
	e.Bool(2, t.Optional)
	if t.Elem != nil {
		e.Bytes(3, appendType(nil, t.Elem))
	}
	if t.Key != nil {
		e.Bytes(4, appendType(nil, t.Key))
	}
	var list []byte
	for i := range t.Fields {
		f := &t.Fields[i]
		m := binenc.NewEncoder(nil)
		m.Uint(1, uint64(f.Number))
		m.StringBytes(2, f.Name)
		m.Bytes(3, appendType(nil, &f.Type))
		list = binenc.AppendBytes(list, finish(&m))
	}
	e.Bytes(5, list)
	return finish(&e)
}

// ParseSchema reads what Append wrote.
func ParseSchema(b []byte) (*Schema, error) {
	s := &Schema{}
	r := binenc.NewDecoder(b)
	for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
		switch {
		case n == 1 && w == binenc.WireBytes:
			s.Model = string(r.Bytes())
		case n == 2 && w == binenc.WireInt:
			s.Number = u32(r.Uint())
		case n == 3 && w == binenc.WireInt:
			s.Version = u32(r.Uint())
		case n == 4 && w == binenc.WireBytes:
			list := binenc.NewReader(r.Bytes())
			for list.Len() > 0 {
				f, err := parseField(list.Bytes())
				if err != nil {
					return nil, err
				}
				s.Fields = append(s.Fields, f)
			}
			if list.Err() != nil {
				return nil, list.Err()
			}
		case n == 5 && w == binenc.WireBytes:
			list := binenc.NewReader(r.Bytes())
			for list.Len() > 0 {
				x, err := parseIndex(list.Bytes())
				if err != nil {
					return nil, err
				}
				s.Indexes = append(s.Indexes, x)
			}
			if list.Err() != nil {
				return nil, list.Err()
			}
		}
	}
	if r.Err() != nil {
		return nil, r.Err()
	}
	if s.Model == "" {
		return nil, errors.New("model: a schema without a name")
	}
	seen := make(map[uint32]string, len(s.Fields))
	for _, f := range s.Fields {
		if other, twice := seen[f.Number]; twice || f.Number == 0 {
			return nil, fmt.Errorf("model: schema of %s: field %s has number %d, as %q has", s.Model, f.Name, f.Number, other)
		}
		seen[f.Number] = f.Name
	}
	return s, s.checkIndexes()
}

func u32(v uint64) uint32 { return uint32(min(v, math.MaxUint32)) }

func parseField(b []byte) (f SchemaField, err error) {
	r := binenc.NewDecoder(b)
	for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
		switch {
		case n == 1 && w == binenc.WireInt:
			f.Number = u32(r.Uint())
		case n == 2 && w == binenc.WireBytes:
			f.Name = string(r.Bytes())
		case n == 3 && w == binenc.WireBytes:
			if f.Type, err = parseType(r.Bytes(), 0); err != nil {
				return f, err
			}
		case n == 4 && w == binenc.WireInt:
			flags := r.Uint()
			f.Primary, f.Unique = flags&flagPrimary != 0, flags&flagUnique != 0
			f.Indexed, f.Dropped = flags&flagIndexed != 0, flags&flagDropped != 0
		case n == 5 && w == binenc.WireBytes:
			f.FK = string(r.Bytes())
		case n == 6 && w == binenc.WireBytes:
			f.OnDelete = string(r.Bytes())
		}
	}
	return f, r.Err()
}

func parseType(b []byte, depth int) (t binenc.Type, err error) {
	if depth > 64 {
		return t, errors.New("model: a type nested more than 64 deep")
	}
	sub := func(b []byte) (*binenc.Type, error) {
		s, err := parseType(b, depth+1)
		return &s, err
	}
	r := binenc.NewDecoder(b)
	for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
		switch {
		case n == 1 && w == binenc.WireInt:
			t.Kind = binenc.Kind(r.Uint())
		case n == 2 && w == binenc.WireInt:
			t.Optional = r.Uint() == 1
		case n == 3 && w == binenc.WireBytes:
			if t.Elem, err = sub(r.Bytes()); err != nil {
				return t, err
			}
		case n == 4 && w == binenc.WireBytes:
			if t.Key, err = sub(r.Bytes()); err != nil {
				return t, err
			}
		case n == 5 && w == binenc.WireBytes:
			if t.Fields, err = parseFields(r.Bytes(), depth); err != nil {
				return t, err
			}
		}
	}
	return t, r.Err()
}

func parseFields(b []byte, depth int) (fields []binenc.Field, err error) {
	list := binenc.NewReader(b)
	for list.Len() > 0 {
		var f binenc.Field
		r := binenc.NewDecoder(list.Bytes())
		for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
			switch {
			case n == 1 && w == binenc.WireInt:
				f.Number = u32(r.Uint())
			case n == 2 && w == binenc.WireBytes:
				f.Name = string(r.Bytes())
			case n == 3 && w == binenc.WireBytes:
				if f.Type, err = parseType(r.Bytes(), depth+1); err != nil {
					return nil, err
				}
			}
		}
		if r.Err() != nil {
			return nil, r.Err()
		}
		fields = append(fields, f)
	}
	return fields, list.Err()
}

// EvolveError is a change of a model that would make old records unreadable.
type EvolveError struct {
	Model, Field string
	Old, New     string // the types
}

// Error names field and types and says what to do.
func (e *EvolveError) Error() string {
	return fmt.Sprintf("model: %s.%s was stored as %s and is now %s; records written before could not be read. Give the new field another name and copy the values over in a command, or go back to %s",
		e.Model, e.Field, e.Old, e.New, e.Old)
}

// RenameError is a field that goes where one of the same type comes: as a rule the same one by another name, whose old values
// nobody would see under the new one.
type RenameError struct {
	Model, Old, New string
}

// Error names both and says what to do.
func (e *RenameError) Error() string {
	return fmt.Sprintf("model: %s.%s is gone and %s, of the same type, is new: what records have there would be served no more. If it is a new name, tag the field lithair:\"was=%s\". If it is not, take %s away in one start and add %s in the next, or agree with schema apply -allow-lossy and start with -schema-file",
		e.Model, e.Old, e.New, e.Old, e.Old, e.New)
}

// Gone are the live fields of a schema in the log that the struct does not have, by any name. The error says of the first for which it has
// a new one of the same type.
//
// Errors: *[RenameError]; those of [Model.Evolve].
func (m *Model) Gone(old *Schema) (names []string, err error) {
	next, _, err := m.Evolve(old)
	if err != nil {
		return nil, err
	}
	for i := range old.Fields {
		was := &old.Fields[i]
		if is := next.ByNumber(was.Number); was.Dropped || !is.Dropped {
			continue
		}
		names = append(names, was.Name)
		for j := range next.Fields {
			f := &next.Fields[j]
			if err == nil && old.ByNumber(f.Number) == nil && f.Type.Equal(&was.Type) {
				err = &RenameError{m.Name, was.Name, f.Name}
			}
		}
	}
	return names, err
}

// Evolve returns the schema that the struct needs, given the one in the log (nil when
// there is none; Number is then 0). Fields keep their numbers by name, new ones get the
// next, dropped ones stay, marked. A field tagged was=old takes over old's number.
func (m *Model) Evolve(old *Schema) (next *Schema, changed bool, err error) {
	next = &Schema{Model: m.Name}
	top := uint32(0)
	if old != nil {
		next.Number, next.Version = old.Number, old.Version
		next.Fields = append(next.Fields, old.Fields...)
		for _, f := range old.Fields {
			top = max(top, f.Number)
		}
	}
	taken := map[uint32]bool{}
	var errs []error
	for _, f := range m.Fields {
		i := next.find(f.Name)
		if i < 0 && f.Was != "" {
			i = next.find(f.Was)
		}
		if i < 0 {
			top++
			next.Fields = append(next.Fields, SchemaField{Number: top, Name: f.Name, Type: f.Type})
			i = len(next.Fields) - 1
			number(&next.Fields[i].Type)
		}
		g := &next.Fields[i]
		taken[g.Number] = true
		typ, ok := evolveType(g.Type, f.Type)
		if !ok {
			errs = append(errs, &EvolveError{Model: m.Name, Field: f.GoName, Old: g.Type.String(), New: f.Type.String()})
			continue
		}
		*g = SchemaField{Number: g.Number, Name: f.Name, Type: typ, Primary: f.Primary, Unique: f.Unique, Indexed: f.Indexed, FK: f.FK, OnDelete: f.OnDelete}
	}
	for i := range next.Fields {
		if g := &next.Fields[i]; !taken[g.Number] {
			if g.Primary {
				errs = append(errs, &EvolveError{Model: m.Name, Field: g.Name, Old: "the primary key", New: "no longer it"})
			}
			g.Dropped, g.Unique, g.Indexed, g.FK, g.OnDelete = true, false, false, "", ""
		}
	}
	if old != nil {
		for _, g := range next.Fields {
			if was := old.ByNumber(g.Number); was != nil && was.Primary != g.Primary && !g.Dropped {
				errs = append(errs, &EvolveError{Model: m.Name, Field: g.Name, Old: "primary key " + strconv.FormatBool(was.Primary), New: strconv.FormatBool(g.Primary)})
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, false, err
	}
	next.Indexes = m.evolveIndexes(old, next)
	changed = old == nil || !reflect.DeepEqual(old.Append(nil), next.Append(nil))
	if changed {
		next.Version++
	}
	return next, changed, nil
}

func (s *Schema) find(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// number gives the fields of fresh message types their numbers.
func number(t *binenc.Type) {
	if t == nil {
		return
	}
	number(t.Elem)
	number(t.Key)
	t.Fields = append([]binenc.Field(nil), t.Fields...)
	for i := range t.Fields {
		t.Fields[i].Number = uint32(i + 1)
		number(&t.Fields[i].Type)
	}
}

// evolveType merges the stored type with the one the struct has now. Nested messages
// may gain fields; those gone stay in the type.
func evolveType(old, now binenc.Type) (binenc.Type, bool) {
	if old.Kind != now.Kind || old.Optional != now.Optional {
		return old, false
	}
	for _, p := range []struct{ was, is **binenc.Type }{{&old.Elem, &now.Elem}, {&old.Key, &now.Key}} {
		if *p.was == nil {
			continue
		}
		t, ok := evolveType(**p.was, **p.is)
		if !ok {
			return old, false
		}
		*p.was = &t
	}
	fields := append([]binenc.Field(nil), old.Fields...)
	top := uint32(0)
	for _, f := range fields {
		top = max(top, f.Number)
	}
	for _, f := range now.Fields {
		i := -1
		for j := range fields {
			if fields[j].Name == f.Name {
				i = j
			}
		}
		if i < 0 {
			top++
			f.Number = top
			number(&f.Type)
			fields = append(fields, f)
			continue
		}
		t, ok := evolveType(fields[i].Type, f.Type)
		if !ok {
			return old, false
		}
		fields[i].Type = t
	}
	old.Fields = fields
	return old, true
}
