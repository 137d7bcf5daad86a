package client

import (
	"fmt"
	"go/format"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// goImports are those of the runtime.
var goImports = []string{"bytes", "cmp", "context", "crypto/rand", "encoding/json", "errors", "fmt", "io", "iter", "maps", "math/rand/v2", "net/http", "net/http/httptrace", "net/url", "slices", "strconv", "strings", "sync/atomic", "time"}

// golang writes a client in Go.
func (a *API) golang(pkg string) ([]byte, error) {
	if !identifier(pkg) || token.IsKeyword(pkg) || pkg != strings.ToLower(pkg) {
		return nil, fmt.Errorf("client: %q is no name of a package", pkg)
	}
	common, err := runtime("client.go.txt")
	if err != nil {
		return nil, err
	}
	w := &writer{}
	w.f("// %s\n\n// Package %s is a client of %s. Go 1.24 or newer, the standard library alone.\npackage %s\n\nimport (\n", Header, pkg, oneLine(a.Title), pkg)
	for _, path := range goImports {
		if path == "math/rand/v2" {
			w.f("mathrand ")
		}
		w.f("%q\n", path)
	}
	w.f(")\n\n%s", common)
	w.f("\n// What problems are, by their codes.\nvar (\n")
	for i, name := range a.codeNames() {
		w.f("Err%s = &Problem{Code: %q, Status: %d, Title: %q}\n", name, a.Codes[i].Code, a.Codes[i].Status, a.Codes[i].Title)
	}
	w.f(")\n")
	for _, t := range a.Types {
		a.goType(w, t)
	}
	for _, c := range a.Collections {
		goFields(w, c)
	}
	a.goClient(w)
	return format.Source([]byte(w.String()))
}

// goNames gives each member of a type a name.
func goNames(fields []*Field) []string {
	taken := members{"IsZero": true}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = taken.free(goName(f.Name), "Member")
	}
	return names
}

// goName is a name of JSON in the spelling of Go: author_id is AuthorID.
func goName(name string) string {
	list := words(name)
	for i, w := range list {
		switch up := strings.ToUpper(w); up {
		case "ID", "URL", "API", "HTTP", "JSON", "IP", "SKU", "UUID":
			list[i] = up
		default:
			list[i] = up[:1] + w[1:]
		}
	}
	return safe(strings.Join(list, ""))
}

// goType writes a type: a patch is of members that can be left out.
func (a *API) goType(w *writer, t *Type) {
	patch := slices.ContainsFunc(a.Collections, func(c *Collection) bool { return c.Patch == t })
	names := goNames(t.Fields)
	w.f("\n// %s is a type of the application.\ntype %s struct {\n", t.Name, t.Name)
	for i, f := range t.Fields {
		typ, tag := goSchema(f.Schema, true), f.Name
		switch {
		case patch:
			typ, tag = "Opt["+goSchema(f.Schema, false)+"]", tag+",omitzero"
		case !f.Required:
			tag += ",omitzero"
		}
		w.f("%s %s `json:%q`", names[i], typ, tag)
		if doc := oneLine(f.Doc); doc != "" {
			w.f(" // %s", doc)
		}
		w.f("\n")
	}
	w.f("}\n")
}

// goSchema is a schema as a type; a value that may be null is behind a pointer, where it has no
// null of its own.
func goSchema(s *Schema, nullable bool) string {
	t := "any"
	switch s.Kind {
	case "boolean":
		t = "bool"
	case "number":
		if t = "float64"; s.Format == "float" {
			t = "float32"
		}
	case "integer":
		if t = "int64"; s.Format == "int32" || s.Format == "uint32" || s.Format == "uint64" {
			t = s.Format
		}
	case "string":
		t = map[string]string{"": "string", "uuid": "ID", "date-time": "time.Time", "base64": "[]byte"}[s.Format]
		if t == "" {
			t = "string"
		}
	case "array":
		return "[]" + goSchema(s.Elem, true)
	case "map":
		return "map[string]" + goSchema(s.Elem, true)
	case "ref":
		t = s.Ref.Name
	}
	if s.Nullable && nullable && t != "any" && t != "[]byte" {
		return "*" + t
	}
	return t
}

// goFields writes the fields that records are chosen by.
func goFields(w *writer, c *Collection) {
	names := goNames(c.Filters)
	w.f("\n// %sField are the members by which records of %s are chosen.\nvar %sField = struct {\n", c.Read.Name, c.Name, c.Read.Name)
	types := make([]string, len(names))
	for i, f := range c.Filters {
		if types[i] = "Field[" + goSchema(f.Schema, false) + "]"; types[i] == "Field[string]" {
			types[i] = "TextField"
		}
		w.f("%s %s\n", names[i], types[i])
	}
	w.f("}{\n")
	for i, f := range c.Filters {
		value := strconv.Quote(f.Name)
		if types[i] == "TextField" {
			value = "TextField{" + value + "}"
		}
		w.f("%s: %s,\n", names[i], value)
	}
	w.f("}\n")
}

// goClient writes the type of the application.
func (a *API) goClient(w *writer) {
	taken := members{"Transport": true, "Transaction": true, "Index": true}
	w.f("\n// Client is the application. It is safe for concurrent use.\ntype Client struct {\n*Transport\n")
	var made strings.Builder
	for _, c := range a.Collections {
		name := taken.free(camel(c.plural(), true), "Collection")
		key := goSchema(c.Read.field(c.Key).Schema, false)
		args := strings.Join([]string{c.Read.Name, key, c.Write.Name, c.Patch.Name}, ", ")
		w.f("%s *Collection[%s]\n", name, args)
		keyName := goNames(c.Read.Fields)[slices.Index(c.Read.Fields, c.Read.field(c.Key))]
		fmt.Fprintf(&made, "%s: &Collection[%s]{t, %q, %q, %q, %t, func(r *%s) %s { return r.%s }},\n", name, args, c.Name, c.Path, c.Key, c.Past, c.Read.Name, key, keyName)
	}
	w.f("}\n\n// New makes a client.\nfunc New(o Options) (*Client, error) {\nt, err := NewTransport(o)\nif err != nil {\nreturn nil, err\n}\nreturn &Client{\nTransport: t,\n%s}, nil\n}\n", made.String())
	if len(a.Collections) > 0 {
		w.f("\n// Transaction carries out changes of several models, all or none.\nfunc (c *Client) Transaction(ctx context.Context, changes []Change, options ...Option) ([]Result, error) {\n")
		w.f("a, err := run[results](ctx, c.Transport, \"POST\", \"/api/_tx\", nil, changes, true, options)\nreturn a.Value.Results, err\n}\n")
	}
	for _, o := range a.Operations {
		a.goOperation(w, o, taken.free(camel(o.Name, true), "Operation"))
	}
}

// goOperation writes the method of an operation, and the type of what is not in its body.
func (a *API) goOperation(w *writer, o *Operation, name string) {
	inputs, body, out := []string{"ctx context.Context"}, "nil", "struct{}"
	fields := make([]*Field, len(o.Params))
	for i, p := range o.Params {
		fields[i] = &p.Field
	}
	names := goNames(fields)
	variable := map[string]string{}
	if len(o.Params) > 0 {
		typ := name + "Params"
		for slices.ContainsFunc(a.Types, func(t *Type) bool { return t.Name == typ }) || reserved[typ] {
			typ += "Value"
		}
		w.f("\n// %s is what %s takes beside its body.\ntype %s struct {\n", typ, name, typ)
		for i, p := range o.Params {
			t := goSchema(p.Schema, false)
			if !p.Required && !strings.HasPrefix(t, "[]") {
				t = "*" + t
			}
			w.f("%s %s // %s, %s\n", names[i], t, p.Name, p.In)
			variable[p.Name] = "params." + names[i]
		}
		w.f("}\n")
		inputs = append(inputs, "params "+typ)
	}
	if o.Body != nil {
		body = "body"
		inputs = append(inputs, "body "+goSchema(o.Body, true))
	}
	if o.Output != nil {
		out = goSchema(o.Output, true)
	}
	inputs = append(inputs, "options ...Option")
	w.f("\n// %s: %s. %s %s\nfunc (c *Client) %s(%s) (Answer[%s], error) {\n", name, strings.TrimSuffix(oneLine(o.Summary), "."), o.Method, o.Path, name, strings.Join(inputs, ", "), out)
	query := "nil"
	if list := o.in("query"); len(list) > 0 {
		query = "q"
		w.f("q := url.Values{}\n")
		for _, p := range list {
			goGiven(w, p, variable[p.Name], func(v string) string { return fmt.Sprintf("q.Add(%q, plain(%s))", p.Name, v) })
		}
	}
	for _, p := range o.in("header") {
		goGiven(w, p, variable[p.Name], func(v string) string {
			return fmt.Sprintf("options = append(slices.Clip(options), Header(%q, plain(%s)))", p.Name, v)
		})
	}
	path := strconv.Quote(o.Path)
	path = pathVariable.ReplaceAllStringFunc(path, func(v string) string {
		return `" + url.PathEscape(plain(` + variable[strings.Trim(v, "{}")] + `)) + "`
	})
	w.f("return run[%s](ctx, c.Transport, %q, %s, %s, %s, %t, options)\n}\n", out, o.Method, strings.TrimSuffix(path, ` + ""`), query, body, o.Write)
}

// goGiven writes what puts a parameter where it belongs, when it is there.
func goGiven(w *writer, p *Param, variable string, put func(v string) string) {
	switch {
	case p.Schema.Kind == "array":
		w.f("for _, v := range %s {\n%s\n}\n", variable, put("v"))
	case p.Required:
		w.f("%s\n", put(variable))
	default:
		w.f("if %s != nil {\n%s\n}\n", variable, put("*"+variable))
	}
}
