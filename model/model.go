package model

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lithair/lithair-go/binenc"
)

// Model is what a struct says about itself. It is read once and not changed afterwards.
type Model struct {
	Name    string // Go type name
	Type    reflect.Type
	Fields  []*Field // stored fields in order, embedded ones flattened
	Primary *Field
	Indexes []*DeclaredIndex
	Lifecycle
	tags    []indexTag
	subject *Field   // of the sealed fields
	sealed  []*Field // in order

	generated bool // the type's own Violations stand in for the reflection in Validate
}

// Field is a stored field.
type Field struct {
	GoName string
	Name   string // stable name, in the log and in queries: the JSON name, or GoName where that is "-"
	JSON   string // "" when the field never appears in JSON
	Index  []int
	GoType reflect.Type
	Type   binenc.Type

	Primary, Unique, Indexed bool
	Immutable, Audited       bool
	Created, Updated         bool // set by the server
	Hidden                   bool // never leaves by REST, refused in input
	Subject, Sealed          bool // whom the record is about; stored under that one's key
	Optional                 bool // the zero value is no value
	FK, OnDelete, Was        string
	Rules                    []Rule // of validate=, in order
	validators               []validator
	nested                   *nested
	indexes                  []indexTag
	retention                time.Duration
	mark                     *Lifecycle // of a blank field: its tags are about the model
}

var timeType = reflect.TypeFor[time.Time]()

// Reserved are the names that queries use for themselves; no field may have one.
var Reserved = []string{"skip", "take", "sort", "fields", "expand", "cursor", "or", "at", "level", "freshness", "freshness_strict", "min_index"}

// Of reads a struct type. All that is wrong is reported at once, as joined *[TagError].
func Of(t reflect.Type) (*Model, error) {
	if t.Kind() != reflect.Struct || t.Name() == "" {
		return nil, &TagError{Type: t.String(), Problem: "a model is a named struct type"}
	}
	m, err := OfStruct(baseName(t.Name()), t)
	if err == nil {
		err = m.adopt()
	}
	return m, err
}

// OfStruct is [Of] for a struct type that need not have a name, under the name given: for
// tools that know a struct from its source alone.
func OfStruct(name string, t reflect.Type) (*Model, error) {
	m := &Model{Name: name, Type: t}
	var errs []error
	m.collect(t, nil, &errs)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	m.findPrimary(&errs)
	m.checkNames(&errs)
	m.checkLifecycle(&errs)
	if len(errs) == 0 {
		m.readIndexes(&errs)
	}
	m.checkPrivacy(&errs)
	return m, errors.Join(errs...)
}

// baseName cuts the type arguments of a generic type off.
func baseName(name string) string {
	if i := strings.IndexByte(name, '['); i >= 0 {
		return name[:i]
	}
	return name
}

func (m *Model) collect(t reflect.Type, index []int, errs *[]error) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clone(index), i)
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct && jsonName(sf) == sf.Name && sf.Tag.Get("lithair") == "" && sf.Type != timeType {
			m.collect(sf.Type, at, errs)
			continue
		}
		if sf.Name == "_" {
			if err := m.readMark(sf); err != nil {
				*errs = append(*errs, err)
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		f, err := m.readField(sf, at)
		if err != nil {
			*errs = append(*errs, err)
			continue
		}
		m.Fields = append(m.Fields, f)
	}
}

// jsonName is the member name that encoding/json would use; "" for "-".
func jsonName(sf reflect.StructField) string {
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return ""
	}
	name, _, _ := strings.Cut(tag, ",")
	if name == "" {
		return sf.Name
	}
	return name
}

// storedName is the stable name of a field, for binenc.
func storedName(sf reflect.StructField) (string, bool) {
	if n := jsonName(sf); n != "" {
		return n, true
	}
	return sf.Name, true
}

func (m *Model) readField(sf reflect.StructField, at []int) (*Field, error) {
	f := &Field{GoName: sf.Name, Index: at, GoType: sf.Type, JSON: jsonName(sf)}
	f.Name, _ = storedName(sf)
	var err error
	if f.Type, err = binenc.TypeOf(sf.Type, storedName); err != nil {
		return nil, &TagError{Type: m.Type.String(), Field: sf.Name, Problem: err.Error()}
	}
	if f.nested, err = nestedOf(sf.Type); err != nil {
		return nil, err
	}
	if err := f.readTags(m.Type.String(), sf); err != nil {
		return nil, err
	}
	m.tags = append(m.tags, f.indexes...)
	return f, f.check(m.Type.String(), sf)
}

// readMark reads what the tags of a blank field say about the model as a whole.
func (m *Model) readMark(sf reflect.StructField) error {
	f := &Field{GoName: sf.Name, mark: &m.Lifecycle}
	if err := f.readTags(m.Type.String(), sf); err != nil {
		return err
	}
	m.tags = append(m.tags, f.indexes...)
	m.Retention = max(m.Retention, f.retention)
	return nil
}

func (f *Field) check(typ string, sf reflect.StructField) error {
	bad := func(tag, problem string) error {
		return &TagError{Type: typ, Field: f.GoName, Tag: tag, Problem: problem}
	}
	switch {
	case (f.Created || f.Updated) && f.GoType != timeType:
		return bad("lithair", "created and updated are for fields of type time.Time")
	case (f.Unique || f.Indexed || f.FK != "" || f.Primary) && !ordered(f.Type.Kind):
		return bad("lithair", "a "+f.Type.Kind.String()+" cannot be indexed")
	case f.Primary && !keyKind(f.Type):
		return bad("lithair", "a primary key is an ID, a string or an integer, not "+f.Type.String())
	case f.retention != 0 && f.Type.Kind != binenc.KindTime:
		return bad("lifecycle", "retention counts from a time.Time")
	case f.OnDelete != "" && f.FK == "":
		return bad("lithair", "on_delete goes with fk")
	}
	_, opts, _ := strings.Cut(sf.Tag.Get("json"), ",")
	words := strings.Split(opts, ",")
	f.Optional = f.Type.Optional || f.FK != "" && (slices.Contains(words, "omitempty") || slices.Contains(words, "omitzero"))
	if f.OnDelete == "set_null" && !f.Optional {
		return bad("lithair", "on_delete=set_null needs an optional field: a pointer, or omitzero in the json tag")
	}
	return nil
}

func ordered(k binenc.Kind) bool {
	return k != binenc.KindList && k != binenc.KindMap && k != binenc.KindMessage
}

func keyKind(t binenc.Type) bool {
	switch t.Kind {
	case binenc.KindID, binenc.KindString, binenc.KindInt, binenc.KindUint:
		return !t.Optional
	}
	return false
}

func (m *Model) findPrimary(errs *[]error) {
	for _, f := range m.Fields {
		if !f.Primary {
			continue
		}
		if m.Primary != nil {
			*errs = append(*errs, &TagError{Type: m.Type.String(), Field: f.GoName, Tag: "lithair", Problem: "a second primary key beside " + m.Primary.GoName})
			return
		}
		m.Primary = f
	}
	if m.Primary != nil {
		return
	}
	for _, f := range m.Fields {
		if f.GoName == "ID" && keyKind(f.Type) {
			f.Primary, m.Primary = true, f
			return
		}
	}
	*errs = append(*errs, &TagError{Type: m.Type.String(), Problem: "no primary key: tag one field lithair:\"primary_key\", or call it ID"})
}

func (m *Model) checkNames(errs *[]error) {
	seen := map[string]*Field{}
	for _, f := range m.Fields {
		if slices.Contains(Reserved, f.Name) {
			*errs = append(*errs, &TagError{Type: m.Type.String(), Field: f.GoName, Tag: "json", Problem: "the name " + f.Name + " is reserved: list queries use it"})
		}
		if other := seen[f.Name]; other != nil {
			*errs = append(*errs, &TagError{Type: m.Type.String(), Field: f.GoName, Tag: "json", Problem: "the name " + f.Name + " is taken by " + other.GoName})
		}
		seen[f.Name] = f
	}
}

// FieldByName returns the field of that stable name; nil when there is none.
func (m *Model) FieldByName(name string) *Field {
	for _, f := range m.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// FieldValue returns the field of *ptr, addressable. ptr is a *T of the model's type.
func (m *Model) FieldValue(ptr any, f *Field) reflect.Value {
	return reflect.ValueOf(ptr).Elem().FieldByIndex(f.Index)
}
