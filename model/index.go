package model

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/binenc"
)

const (
	// MaxIndexFields bounds the fields of one declared index.
	MaxIndexFields = 8
	// MaxIndexes bounds the declared indexes of one model.
	MaxIndexes = 32
	// FirstIndex is the least number of a declared index. An index on one field that the
	// words unique, indexed and fk make has the number of its field, which is smaller.
	FirstIndex = 1 << 31
)

// Index is an order in which a model's records are kept beside that of their primary
// keys: by the values of its fields, one after the other, then by primary key.
type Index struct {
	Number uint32
	Fields []uint32 // numbers of fields, at least one
	Unique bool     // no two records have the same values; one with an absent optional value is not in it
	Where  []Condition
}

// Same says that two indexes hold the same records in the same order, whatever their
// numbers.
func (x *Index) Same(y *Index) bool {
	return x.Unique == y.Unique && slices.Equal(x.Fields, y.Fields) && slices.EqualFunc(x.Where, y.Where, func(a, b Condition) bool {
		return a.Field == b.Field && a.Op == b.Op && bytes.Equal(a.Key, b.Key)
	})
}

// Op is a comparison. The numbers are part of the format of schemas.
type Op uint8

// The comparisons.
const (
	Equal Op = 1 + iota
	Unequal
	Less
	AtMost
	Greater
	AtLeast
)

// opWords are the comparisons as a tag has them, those first that begin with another.
var opWords = []struct {
	word string
	op   Op
}{{"!=", Unequal}, {"<=", AtMost}, {">=", AtLeast}, {"=", Equal}, {"<", Less}, {">", Greater}}

// Condition is what a record must meet to be in a partial index.
type Condition struct {
	Field uint32
	Op    Op
	Key   []byte // key encoding of the operand; that of null stands for "no value"
}

// IsNull says that the condition compares with "no value".
func (c *Condition) IsNull() bool { return bytes.Equal(c.Key, binenc.AppendKeyNull(nil)) }

// Holds says whether a record whose field has that key encoding meets the condition. A
// field without a value is neither greater nor less than any, and equal to no other.
func (c *Condition) Holds(key []byte) bool {
	absent := len(key) > 0 && bytes.Equal(key, binenc.AppendKeyNull(make([]byte, 0, 4)))
	if absent && !c.IsNull() {
		return c.Op == Unequal
	}
	switch d := bytes.Compare(key, c.Key); c.Op {
	case Equal:
		return d == 0
	case Unequal:
		return d != 0
	case Less:
		return d < 0
	case AtMost:
		return d <= 0
	case Greater:
		return d > 0
	case AtLeast:
		return d >= 0
	}
	return false
}

// HasIndex says that words of the field's own tag give it an index.
func (f *SchemaField) HasIndex() bool {
	return !f.Dropped && !f.Primary && (f.Unique || f.Indexed || f.FK != "")
}

// AllIndexes returns every index of the model, those of single fields first, in ascending
// order of their numbers.
func (s *Schema) AllIndexes() (list []Index) {
	for i := range s.Fields {
		if f := &s.Fields[i]; f.HasIndex() {
			list = append(list, Index{Number: f.Number, Fields: []uint32{f.Number}, Unique: f.Unique})
		}
	}
	list = append(list, s.Indexes...)
	slices.SortFunc(list, func(a, b Index) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// IndexName names an index for people: its fields, joined by plus signs.
func (s *Schema) IndexName(x *Index) string {
	names := make([]string, len(x.Fields))
	for i, n := range x.Fields {
		if f := s.ByNumber(n); f != nil {
			names[i] = f.Name
		}
	}
	return strings.Join(names, "+")
}

// IndexKey appends the key encodings of the index's fields in a record; in is false when
// the record is not in the index.
func (s *Schema) IndexKey(dst []byte, x *Index, rec []byte) (key []byte, in bool, err error) {
	for i := range x.Where {
		k, _, err := s.fieldKey(nil, x.Where[i].Field, rec)
		if err != nil || !x.Where[i].Holds(k) {
			return dst, false, err
		}
	}
	for _, number := range x.Fields {
		absent := false
		if dst, absent, err = s.fieldKey(dst, number, rec); err != nil || absent && x.Unique {
			return dst, false, err
		}
	}
	return dst, true, nil
}

// fieldKey appends the key encoding of one field of a record.
func (s *Schema) fieldKey(dst []byte, number uint32, rec []byte) (key []byte, absent bool, err error) {
	f := s.ByNumber(number)
	raw, _, ok := binenc.Lookup(rec, number)
	if key, err = binenc.AppendKeyRaw(dst, &f.Type, raw, ok); err != nil {
		err = fmt.Errorf("model: field %s: %w", f.Name, err)
	}
	return key, !ok && f.Type.Optional, err
}

// indexTag is an index as a tag has it: names of fields, and conditions as text.
type indexTag struct {
	field  string // Go name of the field that has the tag
	text   string
	unique bool
}

// DeclaredIndex is an index that a tag of the struct declares.
type DeclaredIndex struct {
	Fields []*Field
	Unique bool
	Where  []FieldCondition
}

// FieldCondition is a condition of a partial index.
type FieldCondition struct {
	Field *Field
	Op    Op
	Key   []byte
}

// readIndexes makes the indexes that tags declare, once all fields are known.
func (m *Model) readIndexes(errs *[]error) {
	for _, tag := range m.tags {
		x, err := m.readIndex(tag)
		if err == nil && slices.ContainsFunc(m.Indexes, x.same) {
			err = &TagError{Type: m.Type.String(), Field: tag.field, Tag: "lithair", Problem: fmt.Sprintf("the index %s is declared twice", tag.text)}
		}
		if err != nil {
			*errs = append(*errs, err)
			continue
		}
		m.Indexes = append(m.Indexes, x)
	}
	if len(m.Indexes) > MaxIndexes {
		*errs = append(*errs, &TagError{Type: m.Type.String(), Problem: fmt.Sprintf("%d indexes are declared; the limit is %d", len(m.Indexes), MaxIndexes)})
	}
}

func (x *DeclaredIndex) same(y *DeclaredIndex) bool {
	return x.Unique == y.Unique && slices.Equal(x.Fields, y.Fields) && slices.EqualFunc(x.Where, y.Where, func(a, b FieldCondition) bool {
		return a.Field == b.Field && a.Op == b.Op && bytes.Equal(a.Key, b.Key)
	})
}

// readIndex reads names and conditions:
//
//	index     = name *( "+" name ) [ " where " condition *( " and " condition ) ]
//	condition = name ( "=" / "!=" / "<" / "<=" / ">" / ">=" ) operand
//
// An operand is written as in queries, or in double quotes; the word null stands for "no
// value".
func (m *Model) readIndex(tag indexTag) (*DeclaredIndex, error) {
	bad := func(format string, args ...any) error {
		return &TagError{Type: m.Type.String(), Field: tag.field, Tag: "lithair", Problem: fmt.Sprintf("index %s: ", tag.text) + fmt.Sprintf(format, args...)}
	}
	x := &DeclaredIndex{Unique: tag.unique}
	names, where, partial := strings.Cut(tag.text, " where ")
	for name := range strings.SplitSeq(names, "+") {
		f, err := m.orderedField(tag, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if slices.Contains(x.Fields, f) {
			return nil, bad("%s is named twice", f.Name)
		}
		x.Fields = append(x.Fields, f)
	}
	if len(x.Fields) > MaxIndexFields {
		return nil, bad("it has %d fields; the limit is %d", len(x.Fields), MaxIndexFields)
	}
	if !partial {
		if len(x.Fields) == 1 && (x.Fields[0].Unique || !tag.unique && x.Fields[0].Indexed) {
			return nil, bad("the field has an index of its own already")
		}
		return x, nil
	}
	for _, text := range splitAnd(where) {
		c, err := m.readCondition(tag, strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		x.Where = append(x.Where, c)
	}
	return x, nil
}

// splitAnd splits conditions at the word and, outside of quotes.
func splitAnd(s string) (list []string) {
	const and = " and "
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], and):
			list, start = append(list, s[start:i]), i+len(and)
			i = start - 1
		}
	}
	return append(list, s[start:])
}

// orderedField finds a field that an index can be on, or a condition.
func (m *Model) orderedField(tag indexTag, name string) (*Field, error) {
	f := m.FieldByName(name)
	if f == nil {
		names := make([]string, len(m.Fields))
		for i, f := range m.Fields {
			names[i] = f.Name
		}
		return nil, &TagError{Type: m.Type.String(), Field: tag.field, Tag: "lithair", Problem: fmt.Sprintf("index %s: there is no field %q", tag.text, name), Allowed: names, DidYouMean: Nearest(name, names)}
	}
	if !ordered(f.Type.Kind) {
		return nil, &TagError{Type: m.Type.String(), Field: tag.field, Tag: "lithair", Problem: fmt.Sprintf("index %s: %s is a %s and cannot be indexed", tag.text, name, f.Type.Kind)}
	}
	return f, nil
}

func (m *Model) readCondition(tag indexTag, text string) (c FieldCondition, err error) {
	bad := func(problem string) error {
		return &TagError{Type: m.Type.String(), Field: tag.field, Tag: "lithair", Problem: fmt.Sprintf("index %s: condition %q %s", tag.text, text, problem)}
	}
	at := strings.IndexAny(text, "=!<>")
	if at < 0 {
		return c, bad("wants a comparison, such as published=true")
	}
	if c.Field, err = m.orderedField(tag, strings.TrimSpace(text[:at])); err != nil {
		return c, err
	}
	operand := ""
	for _, w := range opWords {
		if rest, ok := strings.CutPrefix(text[at:], w.word); ok {
			c.Op, operand = w.op, strings.TrimSpace(rest)
			break
		}
	}
	switch {
	case c.Op == 0:
		return c, bad("has an unknown comparison; it is one of = != < <= > >=")
	case operand == "null" && c.Field.Optional:
		if c.Op != Equal && c.Op != Unequal {
			return c, bad("cannot be greater or less than null")
		}
		c.Key, err = binenc.AppendKeyRaw(nil, &c.Field.Type, nil, false)
	case strings.HasPrefix(operand, `"`):
		if operand, err = strconv.Unquote(operand); err != nil {
			return c, bad("has an operand that is no quoted string")
		}
		c.Key, err = Operand(&c.Field.Type, operand)
	default:
		c.Key, err = Operand(&c.Field.Type, operand)
	}
	if err != nil {
		return c, bad(err.Error())
	}
	return c, nil
}

// evolveIndexes returns the indexes of next as the struct declares them. One that the old
// schema had keeps its number.
func (m *Model) evolveIndexes(old, next *Schema) (list []Index) {
	top, had := uint32(FirstIndex-1), []Index(nil)
	if old != nil {
		had = old.Indexes
	}
	for _, x := range had {
		top = max(top, x.Number)
	}
	for _, d := range m.Indexes {
		x := Index{Unique: d.Unique}
		for _, f := range d.Fields {
			x.Fields = append(x.Fields, next.Field(f.Name).Number)
		}
		for _, c := range d.Where {
			x.Where = append(x.Where, Condition{next.Field(c.Field.Name).Number, c.Op, c.Key})
		}
		if i := slices.IndexFunc(had, func(h Index) bool { return x.Same(&h) }); i >= 0 {
			x.Number = had[i].Number
		} else {
			top++
			x.Number = top
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Index) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// append appends the index's message, see [Schema.Append].
func (x *Index) append(dst []byte) []byte {
	e := binenc.NewEncoder(dst)
	e.Uint(1, uint64(x.Number))
	var list []byte
	for _, n := range x.Fields {
		list = binenc.AppendUvarint(list, uint64(n))
	}
	e.Bytes(2, list)
	e.Bool(3, x.Unique)
	list = nil
	for i := range x.Where {
		c := &x.Where[i]
		m := binenc.NewEncoder(nil)
		m.Uint(1, uint64(c.Field))
		m.Uint(2, uint64(c.Op))
		m.Bytes(3, c.Key)
		list = binenc.AppendBytes(list, finish(&m))
	}
	if len(list) > 0 {
		e.Bytes(4, list)
	}
	return finish(&e)
}

func parseIndex(b []byte) (x Index, err error) {
	r := binenc.NewDecoder(b)
	for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
		switch {
		case n == 1 && w == binenc.WireInt:
			x.Number = u32(r.Uint())
		case n == 2 && w == binenc.WireBytes:
			list := binenc.NewReader(r.Bytes())
			for list.Len() > 0 && list.Err() == nil {
				x.Fields = append(x.Fields, u32(list.Uvarint()))
			}
			if list.Err() != nil {
				return x, list.Err()
			}
		case n == 3 && w == binenc.WireInt:
			x.Unique = r.Uint() == 1
		case n == 4 && w == binenc.WireBytes:
			list := binenc.NewReader(r.Bytes())
			for list.Len() > 0 {
				c, err := parseCondition(list.Bytes())
				if err != nil {
					return x, err
				}
				x.Where = append(x.Where, c)
			}
			if list.Err() != nil {
				return x, list.Err()
			}
		}
	}
	return x, r.Err()
}

func parseCondition(b []byte) (c Condition, err error) {
	r := binenc.NewDecoder(b)
	for n, w, ok := r.Next(); ok; n, w, ok = r.Next() {
		switch {
		case n == 1 && w == binenc.WireInt:
			c.Field = u32(r.Uint())
		case n == 2 && w == binenc.WireInt:
			c.Op = Op(min(r.Uint(), math.MaxUint8))
		case n == 3 && w == binenc.WireBytes:
			c.Key = bytes.Clone(r.Bytes())
		}
	}
	return c, r.Err()
}

// checkIndexes says what is wrong with the indexes of a schema that was read.
func (s *Schema) checkIndexes() error {
	last := uint32(FirstIndex - 1)
	for i := range s.Indexes {
		x := &s.Indexes[i]
		if x.Number <= last {
			return fmt.Errorf("model: schema of %s: index %d has a number that is out of order", s.Model, x.Number)
		}
		last = x.Number
		if len(x.Fields) == 0 || len(x.Fields) > MaxIndexFields || len(s.Indexes) > MaxIndexes {
			return fmt.Errorf("model: schema of %s: index %d has %d fields", s.Model, x.Number, len(x.Fields))
		}
		for _, n := range x.uses() {
			if f := s.ByNumber(n); f == nil || f.Dropped || !ordered(f.Type.Kind) {
				return fmt.Errorf("model: schema of %s: index %d is on field %d, which it cannot be on", s.Model, x.Number, n)
			}
		}
		for _, c := range x.Where {
			if c.Op < Equal || c.Op > AtLeast {
				return fmt.Errorf("model: schema of %s: index %d has a condition of kind %d, which is unknown here; a newer release wrote it", s.Model, x.Number, c.Op)
			}
		}
	}
	return nil
}

// uses lists the fields whose values decide where a record stands in the index.
func (x *Index) uses() (list []uint32) {
	list = append(list, x.Fields...)
	for _, c := range x.Where {
		list = append(list, c.Field)
	}
	return list
}
