package openapi

import (
	"encoding"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/model"
)

// schemas makes schemas of Go types, those of named structs once, under components.
type schemas struct {
	names map[reflect.Type]string
	made  object
}

func newSchemas() *schemas { return &schemas{names: map[reflect.Type]string{}} }

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	idType       = reflect.TypeFor[model.ID]()
	textType     = reflect.TypeFor[encoding.TextMarshaler]()
	jsonType     = reflect.TypeFor[interface{ MarshalJSON() ([]byte, error) }]()
	appendType   = reflect.TypeFor[interface{ AppendJSON([]byte) ([]byte, error) }]()
)

// has says that a type, or a pointer to it, has the methods of an interface.
func has(t, methods reflect.Type) bool {
	return t.Implements(methods) || reflect.PointerTo(t).Implements(methods)
}

// of returns the schema of a type, with what the rules of its field say.
func (s *schemas) of(t reflect.Type, rules []model.Rule) object {
	switch {
	case t == timeType:
		return object{{"type", "string"}, {"format", "date-time"}}
	case t == idType:
		return object{{"type", "string"}, {"format", "uuid"}}
	case t.Kind() == reflect.Pointer:
		return nullable(s.of(t.Elem(), rules))
	case t.Kind() == reflect.Interface, has(t, jsonType), has(t, appendType):
		return object{}
	case has(t, textType):
		return ruled(object{{"type", "string"}}, t, rules)
	}
	switch k := t.Kind(); k {
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.String:
		return ruled(object{{"type", "string"}}, t, rules)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return ruled(integer(t), t, rules)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		o := ruled(integer(t), t, rules)
		if !o.has("minimum") {
			o = append(o, member{"minimum", 0})
		}
		return o
	case reflect.Float32:
		return ruled(object{{"type", "number"}, {"format", "float"}}, t, rules)
	case reflect.Float64:
		return ruled(object{{"type", "number"}, {"format", "double"}}, t, rules)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nullable(object{{"type", "string"}, {"contentEncoding", "base64"}})
		}
		return nullable(ruled(object{{"type", "array"}, {"items", s.of(t.Elem(), nil)}}, t, rules))
	case reflect.Array:
		return object{{"type", "array"}, {"items", s.of(t.Elem(), nil)}, {"minItems", t.Len()}, {"maxItems", t.Len()}}
	case reflect.Map:
		return nullable(ruled(object{{"type", "object"}, {"additionalProperties", s.of(t.Elem(), nil)}}, t, rules))
	case reflect.Struct:
		if t.Name() == "" {
			return s.structure(t)
		}
		return ref(s.named(t))
	}
	return object{}
}

// text is the schema of what stands in a path, a query or a header field: as of, but durations
// are written as people do.
func (s *schemas) text(t reflect.Type, rules []model.Rule) object {
	if t == durationType {
		return object{{"type", "string"}, {"examples", []string{"1m30s"}}}
	}
	return s.of(t, rules)
}

func integer(t reflect.Type) object {
	if t == durationType {
		return object{{"type", "integer"}, {"format", "int64"}, {"description", "nanoseconds"}}
	}
	format := "int64"
	if t.Bits() <= 32 {
		format = "int32"
	}
	if unsigned := t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uintptr; unsigned && t.Bits() >= 32 {
		format = "u" + format
	}
	return object{{"type", "integer"}, {"format", format}}
}

func ref(name string) object { return object{{"$ref", "#/components/schemas/" + name}} }

// nullable is a schema that null meets as well.
func nullable(o object) object {
	for i, m := range o {
		if name, ok := m.value.(string); ok && m.name == "type" {
			o = slices.Clone(o)
			o[i].value = []string{name, "null"}
			return o
		}
	}
	if len(o) == 0 {
		return o // anything
	}
	return object{{"anyOf", []object{o, {{"type", "null"}}}}}
}

// named puts the schema of a struct under components and returns its name there.
func (s *schemas) named(t reflect.Type) string {
	if name := s.names[t]; name != "" {
		return name
	}
	name := s.free(t.Name())
	s.names[t] = name
	at := len(s.made)
	s.made = append(s.made, member{name, object{}}) // its place, for types that contain themselves
	s.made[at].value = s.structure(t)
	return name
}

// free is a name under components that nobody has.
func (s *schemas) free(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
	for base, n := name, 2; s.made.has(name); n++ {
		name = base + strconv.Itoa(n)
	}
	return name
}

// structure is the schema of a struct by its tags.
func (s *schemas) structure(t reflect.Type) object {
	var properties object
	var required []string
	rules, err := model.RulesOf(t)
	if err != nil {
		rules = nil // it holds what cannot be stored, and so has no rules
	}
	s.members(t, rules, &properties, &required)
	o := object{{"type", "object"}, {"properties", properties}}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return o
}

// body is the schema of what is sent. What is left out of a struct is zero, so that only what
// may not be zero is required.
func (s *schemas) body(t reflect.Type) object {
	if t.Kind() != reflect.Struct || has(t, textType) || has(t, jsonType) {
		return s.of(t, nil)
	}
	o := s.structure(t)
	rules, err := model.RulesOf(t)
	if err != nil {
		rules = nil
	}
	var required []string
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "" {
			name = sf.Name
		}
		if sf.Type.Kind() != reflect.Pointer && breaksAtZero(rules[sf.Name]) && o[1].value.(object).has(name) {
			required = append(required, name)
		}
	}
	o = append(o[:2:2], member{"additionalProperties", false})
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return o
}

func (s *schemas) members(t reflect.Type, rules map[string][]model.Rule, properties *object, required *[]string) {
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		elem := sf.Type
		if elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		switch {
		case sf.Tag.Get("json") == "-":
			continue
		case sf.Anonymous && name == "" && elem.Kind() == reflect.Struct && !has(elem, textType) && !has(elem, jsonType):
			s.members(elem, rules, properties, required)
			continue
		case !sf.IsExported():
			continue
		case name == "":
			name = sf.Name
		}
		value := s.of(sf.Type, rules[sf.Name])
		words := strings.Split(options, ",")
		if slices.Contains(words, "string") {
			value = object{{"type", "string"}}
		}
		*properties = append(*properties, member{name, value})
		if !slices.Contains(words, "omitempty") && !slices.Contains(words, "omitzero") {
			*required = append(*required, name)
		}
	}
}

// ruled adds what rules say.
func ruled(o object, t reflect.Type, rules []model.Rule) object {
	least, most := "minLength", "maxLength"
	switch t.Kind() {
	case reflect.Slice:
		least, most = "minItems", "maxItems"
	case reflect.Map:
		least, most = "minProperties", "maxProperties"
	}
	set := func(name string, value any) {
		if value != nil && !o.has(name) {
			o = append(o, member{name, value})
		}
	}
	for _, r := range rules {
		switch r.Name {
		case "email", "uuid":
			set("format", r.Name)
		case "url":
			set("format", "uri")
		case "regex":
			set("pattern", r.Args[0])
		case "non_empty":
			set(least, 1)
		case "min_length":
			set(least, count(r.Args[0]))
		case "max_length":
			set(most, count(r.Args[0]))
		case "length":
			set(least, count(r.Args[0]))
			set(most, count(r.Args[1]))
		case "min":
			set("minimum", number(r.Args[0]))
		case "max":
			set("maximum", number(r.Args[0]))
		case "range":
			set("minimum", number(r.Args[0]))
			set("maximum", number(r.Args[1]))
		}
	}
	return o
}

func count(text string) any {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return n
}

// number is a bound as a number of JSON; nil where there is none, as for infinity.
func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f-f != 0 {
		return nil
	}
	return f
}

// record puts the three schemas of a model under components: as it is read, as it is written,
// and as a merge patch, where each member may be left out.
func (s *schemas) record(m *model.Model) (read, write, patch string) {
	var reads, writes, patches object
	var always, needed []string
	for _, f := range m.Fields {
		if f.JSON == "" || f.Hidden {
			continue
		}
		o := s.of(f.GoType, f.Rules)
		if text := about(f); text != "" && !o.has("description") {
			if o.has("$ref") {
				o = object{{"allOf", []object{o}}}
			}
			o = append(slices.Clone(o), member{"description", text})
		}
		if f.Created || f.Updated {
			o = append(slices.Clone(o), member{"readOnly", true})
		}
		reads = append(reads, member{f.JSON, o})
		if !omitted(m, f) {
			always = append(always, f.JSON)
		}
		if f.Created || f.Updated {
			continue
		}
		writes = append(writes, member{f.JSON, o})
		if !f.Primary {
			patches = append(patches, member{f.JSON, o})
		}
		if needs(f) {
			needed = append(needed, f.JSON)
		}
	}
	read, write, patch = s.free(m.Name), s.free(m.Name+"Input"), s.free(m.Name+"Patch")
	s.names[m.Type] = read
	whole := func(properties object, required []string) object {
		o := object{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
		if len(required) > 0 {
			o = append(o, member{"required", required})
		}
		return o
	}
	s.made = append(s.made, member{read, whole(reads, always)}, member{write, whole(writes, needed)}, member{patch, whole(patches, nil)})
	return read, write, patch
}

// omitted says that a member may be left out of an answer.
func omitted(m *model.Model, f *model.Field) bool {
	_, options, _ := strings.Cut(m.Type.FieldByIndex(f.Index).Tag.Get("json"), ",")
	words := strings.Split(options, ",")
	return slices.Contains(words, "omitempty") || slices.Contains(words, "omitzero")
}

// about says what a field is besides its type.
func about(f *model.Field) string {
	var parts []string
	for _, x := range []struct {
		on   bool
		text string
	}{
		{f.Primary && f.Type.Kind.String() == "id", "the key; made by the server where it is left out"}, {f.Primary && f.Type.Kind.String() != "id", "the key"},
		{f.Unique, "unique"}, {f.Indexed, "indexed"}, {f.FK != "", "refers to " + f.FK}, {f.Immutable, "cannot be changed"}, {f.Created, "when it was created"},
		{f.Updated, "when it was changed"}, {f.Sealed, "stored under the key of its subject"},
	} {
		if x.on {
			parts = append(parts, x.text)
		}
	}
	return strings.Join(parts, "; ")
}

// needs says that a field must be sent: its zero value, which it has when it is left out,
// breaks a rule, or is no key.
func needs(f *model.Field) bool {
	if f.Primary {
		return f.Type.Kind.String() == "string"
	}
	if f.GoType.Kind() == reflect.Pointer {
		return false
	}
	return breaksAtZero(f.Rules)
}

// breaksAtZero says that a zero value breaks a rule, as far as that can be told from its name
// and arguments.
func breaksAtZero(rules []model.Rule) bool {
	for _, r := range rules {
		switch r.Name {
		case "email", "url", "uuid", "non_empty":
			return true
		case "length", "min_length":
			if r.Args[0] != "0" {
				return true
			}
		case "min", "range":
			if lo, err := strconv.ParseFloat(r.Args[0], 64); err == nil && lo > 0 {
				return true
			}
		case "max":
			if hi, err := strconv.ParseFloat(r.Args[0], 64); err == nil && hi < 0 {
				return true
			}
		}
	}
	return false
}
