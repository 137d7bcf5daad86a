package rest

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/wire"
)

// Param is a field of an input that does not come from the body.
type Param struct {
	Name  string
	In    string // path, query or header
	Type  reflect.Type
	Rules []model.Rule
	index int
}

// Binding fills an input struct from a request:
//
//	path:"id"        the variable of that name in the pattern
//	query:"dry"      a query parameter; a slice takes all of that name, a pointer is nil without
//	header:"X-Key"   a header field
//
// All other fields are the members of the JSON body or, for methods without one, GET, HEAD and
// DELETE, query parameters by their JSON names. Rules of http:"validate=" hold for all.
type Binding struct {
	Params []Param
	Body   reflect.Type // what the body is read into; nil: there is none

	typ     reflect.Type
	fields  []int // of typ, that are those of Body; nil: Body is typ
	checked bool  // there are rules
}

// NewBinding compiles the binding of an input type for a pattern.
func NewBinding(t reflect.Type, pattern string) (*Binding, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("rest: the input of %s is a struct, not %s", pattern, t)
	}
	method, path, _ := strings.Cut(pattern, " ")
	b := &Binding{typ: t}
	bodiless := method == "GET" || method == "HEAD" || method == "DELETE"
	var body []reflect.StructField
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() && !sf.Anonymous {
			continue
		}
		p := Param{Type: sf.Type, index: i}
		for _, in := range []string{"path", "query", "header"} {
			if name := sf.Tag.Get(in); name != "" {
				p.Name, p.In = name, in
			}
		}
		if p.In == "" && bodiless {
			p.In, p.Name = "query", jsonName(sf)
			if p.Name == "" {
				continue
			}
		}
		if p.In == "" {
			b.fields, body = append(b.fields, i), append(body, sf)
			continue
		}
		if err := bindable(sf.Type, p.In); err != nil {
			return nil, fmt.Errorf("rest: %s, field %s: %w", pattern, sf.Name, err)
		}
		b.Params = append(b.Params, p)
	}
	if err := b.checkPath(pattern, path); err != nil {
		return nil, err
	}
	if err := b.readRules(pattern); err != nil {
		return nil, err
	}
	switch {
	case len(b.Params) == 0 && len(body) > 0:
		b.Body, b.fields = t, nil
	case len(body) > 0:
		if slices.ContainsFunc(body, func(f reflect.StructField) bool { return f.Anonymous }) {
			return nil, fmt.Errorf("rest: %s: an embedded struct beside path, query and header fields; give it a name", pattern)
		}
		b.Body = reflect.StructOf(body)
	}
	return b, nil
}

func jsonName(sf reflect.StructField) string {
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	switch name {
	case "-":
		return ""
	case "":
		return sf.Name
	}
	return name
}

// checkPath holds path fields against the variables of a pattern.
func (b *Binding) checkPath(pattern, path string) error {
	var vars []string
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") && part != "{$}" {
			vars = append(vars, strings.TrimSuffix(strings.Trim(part, "{}"), "..."))
		}
	}
	for _, v := range vars {
		if !slices.ContainsFunc(b.Params, func(p Param) bool { return p.In == "path" && p.Name == v }) {
			return fmt.Errorf("rest: %s: no field of %s has the tag path:%q", pattern, b.typ, v)
		}
	}
	for _, p := range b.Params {
		if p.In == "path" && !slices.Contains(vars, p.Name) {
			return fmt.Errorf("rest: %s has no variable {%s}, which a field of %s wants", pattern, p.Name, b.typ)
		}
	}
	return nil
}

// readRules finds whether there are any, and whether they are right.
func (b *Binding) readRules(pattern string) error {
	if !ruled(b.typ, 0) {
		return nil
	}
	rules, err := model.RulesOf(b.typ)
	if err != nil {
		return fmt.Errorf("rest: %s: %w", pattern, err)
	}
	b.checked = true
	for i := range b.Params {
		b.Params[i].Rules = rules[b.typ.Field(b.Params[i].index).Name]
	}
	return nil
}

// ruled says that there are rules in a type.
func ruled(t reflect.Type, depth int) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth > 20 {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("http") != "" || f.IsExported() && ruled(f.Type, depth+1) {
			return true
		}
	}
	return false
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

// bindable says whether a text can become a value of type t.
func bindable(t reflect.Type, in string) error {
	if t.Kind() == reflect.Slice && in == "query" {
		t = t.Elem()
	} else if t.Kind() == reflect.Pointer && in != "path" {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(textType) {
		return nil
	}
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Float64 && k != reflect.Uintptr, k == reflect.String:
		return nil
	}
	return fmt.Errorf("a %s cannot be read from the %s", t, in)
}

// Fill reads a request into *ptr, a zero value of the input type, and holds its rules.
func (b *Binding) Fill(r *wire.Request, body []byte, ptr any) error {
	v := reflect.ValueOf(ptr).Elem()
	if err := b.fillParams(r, v); err != nil {
		return err
	}
	if b.Body != nil {
		into := v.Addr()
		if b.fields != nil {
			into = reflect.New(b.Body)
		}
		if err := jsonx.Unmarshal(body, into.Interface(), jsonx.RejectUnknownMembers()); err != nil {
			return err
		}
		for i, n := range b.fields {
			v.Field(n).Set(into.Elem().Field(i))
		}
	}
	if !b.checked {
		return nil
	}
	var list []model.Violation
	model.NewChecks(&list).Value(ptr)
	if len(list) > 0 {
		return &engine.ValidationError{Model: b.typ.Name(), Violations: list}
	}
	return nil
}

func (b *Binding) fillParams(r *wire.Request, v reflect.Value) error {
	q := r.Query()
	if q.Err != nil {
		return fault(CodeQuery, q.Err.Error())
	}
	if err := b.onlyKnown(q); err != nil {
		return err
	}
	for i := range b.Params {
		p := &b.Params[i]
		var texts []string
		switch p.In {
		case "path":
			texts = []string{r.PathValue(p.Name)}
		case "query":
			texts = q.All(p.Name)
		case "header":
			if r.HasHeader(p.Name) {
				texts = []string{r.Header(p.Name)}
			}
		}
		if err := p.set(v.Field(p.index), texts); err != nil {
			return p.fault(err)
		}
	}
	return nil
}

// onlyKnown refuses query parameters that mean nothing.
func (b *Binding) onlyKnown(q wire.Query) error {
	for _, pair := range q.Pairs {
		known := slices.ContainsFunc(b.Params, func(p Param) bool { return p.In == "query" && p.Name == pair[0] })
		if !known && !slices.Contains([]string{"level", "min_index"}, pair[0]) {
			var names []string
			for _, p := range b.Params {
				if p.In == "query" {
					names = append(names, p.Name)
				}
			}
			return &query.Error{Field: pair[0], Problem: "has no meaning here", DidYouMean: model.Nearest(pair[0], names)}
		}
	}
	return nil
}

// fault names the parameter that cannot be read.
func (p *Param) fault(err error) error {
	code := map[string]Code{"path": CodeNotFound, "query": CodeQuery, "header": CodeHeader}[p.In]
	e := fault(code, fmt.Sprintf("%s %s: %s", p.In, p.Name, err), Item{Field: p.Name, Code: p.In, Message: err.Error()})
	e.Err = err
	return e
}

// set reads texts into a field; without any it stays zero.
func (p *Param) set(v reflect.Value, texts []string) error {
	if v.Kind() == reflect.Slice && p.In == "query" && !v.Addr().Type().Implements(textType) {
		for _, text := range texts {
			one := reflect.New(v.Type().Elem()).Elem()
			if err := setText(one, text); err != nil {
				return err
			}
			v.Set(reflect.Append(v, one))
		}
		return nil
	}
	switch len(texts) {
	case 0:
		return nil
	case 1:
	default:
		return errors.New("is given more than once")
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return setText(v, texts[0])
}

func setText(v reflect.Value, text string) error {
	wrong := func(want string) error { return fmt.Errorf("must be %s, not %.60q", want, text) }
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if u.UnmarshalText([]byte(text)) != nil || text == "" {
			return wrong(wanted(v.Type()))
		}
		return nil
	}
	switch k := v.Kind(); {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return wrong("a duration such as 1m30s")
		}
		v.SetInt(int64(d))
	case k == reflect.String:
		v.SetString(text)
	case k == reflect.Bool:
		if text != "true" && text != "false" {
			return wrong("true or false")
		}
		v.SetBool(text == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return wrong(wanted(v.Type()))
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return wrong(wanted(v.Type()))
		}
		v.SetUint(n)
	default:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || n-n != 0 {
			return wrong(wanted(v.Type()))
		}
		v.SetFloat(n)
	}
	return nil
}
