package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
)

// API is what a client is made of.
type API struct {
	Title       string
	Types       []*Type // in order of their names
	Collections []*Collection
	Operations  []*Operation
	Codes       []Code
}

// Type is an object with members.
type Type struct {
	Name   string
	Fields []*Field
}

// Field is a member of an object.
type Field struct {
	Name     string
	Doc      string
	Required bool
	ReadOnly bool
	Schema   *Schema
}

// Schema is what a value is.
type Schema struct {
	Kind     string // any, boolean, string, integer, number, array, map, ref
	Format   string // of strings: date-time, uuid, base64; of numbers: int64, ...
	Nullable bool
	Elem     *Schema // of array and map
	Ref      *Type
}

// Collection is a model that is served.
type Collection struct {
	Name, Path, Key    string
	Read, Write, Patch *Type
	Filters            []*Field
	Past               bool
}

// Operation is a route with typed input and output.
type Operation struct {
	Name, Method, Path, Summary string
	Write                       bool // takes an Idempotency-Key
	Params                      []*Param
	Body                        *Schema // nil: none
	Output                      *Schema // nil: none
}

// Param is an input that is not in the body.
type Param struct {
	Field
	In string // path, query or header
}

// Code is one kind of error.
type Code struct {
	Code, Title string
	Status      int64
}

// ErrNoExtension says that a document does not come of an application.
var ErrNoExtension = errors.New("client: the document has no member x-lithair: it was not made by an application of this framework, or by an older one")

// reader turns a document into an API.
type reader struct {
	doc      jsonx.Value
	api      *API
	types    map[string]*Type // by name in the document
	problems []string         // names that the classes of errors have
	problem  error
}

// Read reads the OpenAPI document of an application. Errors: *[jsonx.SyntaxError],
// [ErrNoExtension], and what is wrong with a document that somebody changed.
func Read(document []byte) (*API, error) {
	doc, err := jsonx.Parse(document)
	if err != nil {
		return nil, err
	}
	ext, ok := doc.Get("x-lithair")
	if !ok {
		return nil, ErrNoExtension
	}
	r := &reader{doc: doc, api: &API{Title: at(doc, "info", "title").Text()}, types: map[string]*Type{}}
	for _, c := range at(*ext, "codes").Elements() {
		status, err := at(*c, "status").Number().Int64()
		if err != nil {
			r.fail("the status of code %s: %w", text(*c, "code"), err)
		}
		r.api.Codes = append(r.api.Codes, Code{text(*c, "code"), text(*c, "title"), status})
	}
	for _, name := range r.api.codeNames() {
		r.problems = append(r.problems, pythonProblem(name), "Err"+name)
	}
	for _, c := range at(*ext, "collections").Elements() {
		r.collection(*c)
	}
	for _, o := range at(*ext, "operations").Elements() {
		r.operation(*o)
	}
	slices.SortFunc(r.api.Types, func(a, b *Type) int { return strings.Compare(a.Name, b.Name) })
	return r.api, r.problem
}

// at follows names through objects; what is not there is the zero value, which has no members.
func at(v jsonx.Value, names ...string) jsonx.Value {
	for _, n := range names {
		inner, ok := v.Get(n)
		if !ok {
			return jsonx.Value{}
		}
		v = *inner
	}
	return v
}

func text(v jsonx.Value, name string) string { return at(v, name).Text() }

func flag(v jsonx.Value, name string) bool { return at(v, name).Bool() }

func (r *reader) fail(format string, args ...any) {
	if r.problem == nil {
		r.problem = fmt.Errorf("client: "+format, args...)
	}
}

func (r *reader) collection(v jsonx.Value) {
	c := &Collection{Name: text(v, "name"), Path: text(v, "path"), Key: text(v, "key"), Past: flag(v, "past")}
	c.Read, c.Write, c.Patch = r.named(text(v, "read")), r.named(text(v, "write")), r.named(text(v, "patch"))
	for _, name := range at(v, "filters").Elements() {
		if f := c.Read.field(name.Text()); f != nil {
			c.Filters = append(c.Filters, f)
		}
	}
	if c.Read.field(c.Key) == nil {
		r.fail("%s has no member %s, which is its key", c.Name, c.Key)
	}
	r.api.Collections = append(r.api.Collections, c)
}

func (t *Type) field(name string) *Field {
	i := slices.IndexFunc(t.Fields, func(f *Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return t.Fields[i]
}

func (r *reader) operation(v jsonx.Value) {
	o := &Operation{Name: text(v, "name"), Method: text(v, "method"), Path: text(v, "path"), Write: flag(v, "write")}
	op := at(r.doc, "paths", o.Path, strings.ToLower(o.Method))
	if op.Kind() != jsonx.Object {
		r.fail("%s %s is not among the paths", o.Method, o.Path)
		return
	}
	name := camel(o.Name, true)
	o.Summary = text(op, "summary")
	for _, p := range at(op, "parameters").Elements() {
		f := Field{Name: text(*p, "name"), Doc: text(*p, "description"), Required: flag(*p, "required")}
		if f.Name == "Idempotency-Key" {
			continue
		}
		f.Schema = r.schema(at(*p, "schema"), name+camel(f.Name, true))
		o.Params = append(o.Params, &Param{f, text(*p, "in")})
	}
	if body := at(op, "requestBody", "content", "application/json", "schema"); body.Kind() == jsonx.Object {
		o.Body = r.schema(body, name+"Input")
	}
	for status, answer := range at(op, "responses").Members() {
		if out := at(*answer, "content", "application/json", "schema"); strings.HasPrefix(status, "2") && out.Kind() == jsonx.Object {
			o.Output = r.schema(out, name+"Output")
		}
	}
	r.api.Operations = append(r.api.Operations, o)
}

const schemasAt = "#/components/schemas/"

// named is the type of a schema under components.
func (r *reader) named(name string) *Type {
	if t := r.types[name]; t != nil {
		return t
	}
	v := at(r.doc, "components", "schemas", name)
	if v.Kind() != jsonx.Object {
		r.fail("there is no schema %q", name)
	}
	return r.object(name, name, v)
}

// object makes a type of a schema with properties.
func (r *reader) object(key, name string, v jsonx.Value) *Type {
	t := &Type{Name: r.free(name)}
	r.types[key] = t
	r.api.Types = append(r.api.Types, t)
	required := map[string]bool{}
	for _, n := range at(v, "required").Elements() {
		required[n.Text()] = true
	}
	for n, s := range at(v, "properties").Members() {
		t.Fields = append(t.Fields, &Field{Name: n, Doc: text(*s, "description"), Required: required[n], ReadOnly: flag(*s, "readOnly"), Schema: r.schema(*s, name+camel(n, true))})
	}
	return t
}

// free is a name that neither a type nor the runtime has.
func (r *reader) free(name string) string {
	name = camel(name, true)
	taken := func(n string) bool {
		return reserved[n] || slices.Contains(r.problems, n) || slices.ContainsFunc(r.api.Types, func(t *Type) bool { return t.Name == n })
	}
	for try := name; ; try += "Value" {
		if !taken(try) {
			return try
		}
	}
}

// schema reads one; inner is what an object without a name is called.
func (r *reader) schema(v jsonx.Value, inner string) *Schema {
	if ref := text(v, "$ref"); ref != "" {
		return &Schema{Kind: "ref", Ref: r.named(strings.TrimPrefix(ref, schemasAt))}
	}
	if all := at(v, "allOf"); all.Len() == 1 {
		return r.schema(*all.At(0), inner)
	}
	if any := at(v, "anyOf"); any.Len() == 2 && text(*any.At(1), "type") == "null" {
		s := *r.schema(*any.At(0), inner)
		s.Nullable = true
		return &s
	}
	s := &Schema{Kind: text(v, "type"), Format: text(v, "format")}
	if kinds := at(v, "type"); kinds.Kind() == jsonx.Array {
		s.Kind, s.Nullable = kinds.At(0).Text(), true
	}
	if text(v, "contentEncoding") == "base64" {
		s.Format = "base64"
	}
	switch s.Kind {
	case "array":
		s.Elem = r.schema(at(v, "items"), inner+"Item")
	case "object":
		if elem, ok := v.Get("additionalProperties"); ok && elem.Kind() == jsonx.Object {
			s.Kind, s.Elem = "map", r.schema(*elem, inner+"Value")
		} else {
			s.Kind, s.Ref = "ref", r.object(inner, inner, v)
		}
	case "boolean", "string", "integer", "number":
	default:
		s.Kind = "any"
	}
	return s
}
