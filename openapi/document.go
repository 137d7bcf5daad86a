package openapi

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
)

// Document is an interface to be described.
type Document struct {
	Title, Version string
	Routes         []string // every pattern, such as "GET /orders/{id}"
	Collections    []Collection
	Operations     []Operation
	Codes          []Code // of errors, for their schema
	Guarded        bool   // requests are authenticated
}

// Collection is a model that is served.
type Collection struct {
	Model *model.Model
	Path  string // such as /api/articles
}

// Operation is a route with typed input and output.
type Operation struct {
	Pattern, Name, Summary string
	Status                 int
	Params                 []Param
	Body                   reflect.Type // nil: none
	Output                 reflect.Type // nil: none
	Write                  bool         // takes an Idempotency-Key
	Errors                 []int        // statuses of its own
}

// Param is a field of an input outside of the body.
type Param struct {
	Name, In string // path, query or header
	Type     reflect.Type
	Rules    []model.Rule
}

// Code is a code that errors carry.
type Code struct {
	Code   string
	Status int
	Title  string
}

// builder is one document under construction.
type builder struct {
	*Document
	schemas *schemas
	known   map[string]object // operations by pattern
	names   []recordNames     // of the schemas of each collection
}

// JSON returns the document as OpenAPI 3.1 has it.
func (d *Document) JSON() ([]byte, error) {
	b := &builder{Document: d, schemas: newSchemas(), known: map[string]object{}}
	for i := range d.Collections {
		b.collection(&d.Collections[i])
	}
	b.shared()
	b.connections()
	for i := range d.Operations {
		b.operation(&d.Operations[i])
	}
	paths := b.paths()
	components := object{{"schemas", b.components()}, {"responses", object{{"Error", b.problem()}}}}
	out := object{{"openapi", "3.1.0"}, {"info", object{{"title", d.Title}, {"version", d.Version}}}, {"servers", []object{{{"url", "/"}}}}}
	if d.Guarded {
		components = append(components, member{"securitySchemes", object{
			{"bearer", object{{"type", "http"}, {"scheme", "bearer"}, {"description", "What the application's Authenticate takes; it may take other credentials, too."}}},
		}})
		out = append(out, member{"security", []object{{{"bearer", []string{}}}}})
	}
	return jsonx.Marshal(append(out, member{"paths", paths}, member{"components", components}, member{Extension, b.extension()}))
}

// components are the schemas, by name.
func (b *builder) components() object {
	all := append(object{{"Problem", b.problemSchema()}}, b.schemas.made...)
	slices.SortStableFunc(all, func(x, y member) int { return strings.Compare(x.name, y.name) })
	return all
}

// paths puts every route at its path, in order of their registration.
func (b *builder) paths() (paths object) {
	for _, pattern := range b.Routes {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			continue // for all methods: it cannot be said here
		}
		op := b.known[pattern]
		if op == nil {
			op = b.plain(pattern)
		}
		where := template(path)
		i := slices.IndexFunc(paths, func(m member) bool { return m.name == where })
		if i < 0 {
			i, paths = len(paths), append(paths, member{where, object{}})
		}
		paths[i].value = append(paths[i].value.(object), member{strings.ToLower(method), op})
	}
	return paths
}

// template is a path as OpenAPI writes it: {rest...} is {rest}, and /{$} is /.
func template(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "...}", "}"), "{$}", "")
}

// variables are the names in a path.
func variables(path string) (names []string) {
	for part := range strings.SplitSeq(template(path), "/") {
		if strings.HasPrefix(part, "{") {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	return names
}

// plain describes a route that nothing else is known of.
func (b *builder) plain(pattern string) object {
	_, path, _ := strings.Cut(pattern, " ")
	params := []object{}
	for _, name := range variables(path) {
		params = append(params, param(name, "path", object{{"type", "string"}}, ""))
	}
	summary, tag := "A route of the application", "application"
	if text := monitoring[path]; text != "" {
		summary, tag = text, "operations"
	}
	return b.describe(pattern, tag, summary, params, nil, object{{"200", object{{"description", "The answer"}}}}, nil)
}

// monitoring are the routes that every application has.
var monitoring = map[string]string{
	"/health": "Whether the process lives", "/livez": "Whether the process lives", "/ready": "Whether requests are answered", "/readyz": "Whether requests are answered",
	"/status": "Deprecated: see /health", "/info": "What runs here", "/observe/metrics": "Metrics, as Prometheus reads them", "/metrics": "Metrics, as Prometheus reads them",
	"/observe/perf/json": "JSON of a size, to measure with", "/observe/perf/bytes": "Bytes of a number, to measure with", "/observe/perf/echo": "What was sent, to measure with",
	"/openapi.json": "This document", "/docs": "This document, as a page", "/docs/page.js": "The script of the page", "/docs/page.css": "The style of the page", "/docs/errors": "What the codes of errors mean",
}

func param(name, in string, schema object, text string) object {
	o := object{{"name", name}, {"in", in}, {"schema", schema}}
	if in == "path" {
		o = append(o, member{"required", true})
	}
	if text != "" {
		o = append(o, member{"description", text})
	}
	return o
}

// describe is one operation. statuses are those of its errors.
func (b *builder) describe(pattern, tag, summary string, params []object, body, responses object, statuses []int) object {
	o := object{{"operationId", id(pattern)}, {"tags", []string{tag}}, {"summary", summary}}
	if len(params) > 0 {
		o = append(o, member{"parameters", params})
	}
	if body != nil {
		o = append(o, member{"requestBody", object{{"required", true}, {"content", body}}})
	}
	if b.Guarded && tag != "operations" {
		statuses = append(slices.Clone(statuses), 401, 403)
	} else if b.Guarded {
		o = append(o, member{"security", []object{}})
	}
	slices.Sort(statuses)
	for _, s := range slices.Compact(statuses) {
		responses = append(responses, member{strconv.Itoa(s), object{{"$ref", "#/components/responses/Error"}}})
	}
	return append(o, member{"responses", append(responses, member{"default", object{{"$ref", "#/components/responses/Error"}}})})
}

// id names an operation: GET /api/articles/{id} is get_api_articles_id.
func id(pattern string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return '_'
	}, pattern)
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	return strings.Trim(name, "_")
}

func jsonContent(schema object) object {
	return object{{"application/json", object{{"schema", schema}}}}
}

// header fields of answers.
var (
	indexHeader    = member{"Lithair-Index", object{{"description", "The index of the state that the answer is of"}, {"schema", object{{"type", "integer"}}}}}
	etagHeader     = member{"ETag", object{{"description", "The version of the record, for If-Match and If-None-Match"}, {"schema", object{{"type", "string"}}}}}
	locationHeader = member{"Location", object{{"description", "The path of the record"}, {"schema", object{{"type", "string"}}}}}
	replayedHeader = member{"Idempotency-Replayed", object{{"description", "true where the answer is that of an earlier request with the same key"}, {"schema", object{{"type", "string"}}}}}
)

// answer is a response without an error.
func answer(status int, text string, schema object, headers ...member) member {
	o := object{{"description", text}}
	if len(headers) > 0 {
		o = append(o, member{"headers", object(headers)})
	}
	if schema != nil {
		o = append(o, member{"content", jsonContent(schema)})
	}
	return member{strconv.Itoa(status), o}
}

// problem is the answer to what goes wrong (RFC 9457).
func (b *builder) problem() object {
	return object{{"description", "What is wrong, as RFC 9457 has it"}, {"headers", object{indexHeader,
		{"Retry-After", object{{"description", "With 503: seconds to wait"}, {"schema", object{{"type", "integer"}}}}}}},
		{"content", object{{"application/problem+json", object{{"schema", ref("Problem")}}}}}}
}

func (b *builder) problemSchema() object {
	text := func(description string) object { return object{{"type", "string"}, {"description", description}} }
	var codes []string
	var list strings.Builder
	for _, c := range b.Codes {
		codes = append(codes, c.Code)
		fmt.Fprintf(&list, "%s: %s (%d). ", c.Code, c.Title, c.Status)
	}
	code := text(strings.TrimSpace(list.String()))
	if len(codes) > 0 {
		code = append(code, member{"examples", codes[:1]})
	}
	item := object{{"type", "object"}, {"properties", object{{"pointer", text("JSON Pointer into the body")}, {"code", text("the rule that is broken")}, {"message", text("for people")}}},
		{"required", []string{"pointer", "code", "message"}}}
	return object{{"type", "object"}, {"properties", object{
		{"type", text("stays the same for a code, to be compared as text; a path of this application that says what it means, or about:blank")}, {"title", text("the same for each error of a code")}, {"status", object{{"type", "integer"}}}, {"detail", text("what is wrong here")},
		{"code", code}, {"request_id", text("to be found in the log of the server")}, {"errors", object{{"type", "array"}, {"items", item}}},
		{"details", object{{"type", "object"}, {"additionalProperties", object{{"type", "string"}}}, {"description", "messages by field"}}},
		{"oldest_index", object{{"type", "integer"}, {"description", "with 410: the oldest index that can be read"}}}, {"error", text("detail, or else title")},
	}}, {"required", []string{"type", "title", "status", "code", "error"}}}
}

// operation describes a route with typed input and output.
func (b *builder) operation(o *Operation) {
	params := []object{}
	for _, p := range o.Params {
		schema := b.schemas.text(p.Type, p.Rules)
		if p.In != "path" && p.Type.Kind() == reflect.Pointer {
			schema = b.schemas.text(p.Type.Elem(), p.Rules) // left out, it is nil
		}
		if p.Type.Kind() == reflect.Slice {
			schema = object{{"type", "array"}, {"items", b.schemas.text(p.Type.Elem(), nil)}}
		}
		params = append(params, param(p.Name, p.In, schema, ""))
	}
	statuses := append([]int{400, 503}, o.Errors...)
	var headers []member
	if o.Write {
		params = append(params, idempotencyKey)
		headers = append(headers, indexHeader, replayedHeader)
		statuses = append(statuses, 404, 409, 422, 507)
	}
	var body object
	if o.Body != nil {
		body = jsonContent(b.schemas.body(o.Body))
		statuses = append(statuses, 413, 415, 422)
	}
	var schema object
	if o.Output != nil {
		schema = b.schemas.of(o.Output, nil)
	}
	summary := o.Summary
	if summary == "" {
		summary = o.Name
	}
	op := b.describe(o.Pattern, "application", summary, params, body, object{answer(o.Status, "Done", schema, headers...)}, statuses)
	b.known[o.Pattern] = op
}

var idempotencyKey = param("Idempotency-Key", "header", object{{"type", "string"}, {"maxLength", 255}}, "A retry with the same key gets the first answer")
