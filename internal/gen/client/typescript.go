package client

import (
	"regexp"
	"strconv"
	"strings"
)

// The runtime of TypeScript has its types in marks, so that what runs is the same in both
// languages: «: string» is not in JavaScript, «-...» is in JavaScript alone.
var (
	typesMark  = regexp.MustCompile(`«([^»-][^»]*)»`)
	scriptMark = regexp.MustCompile(`«-([^»]*)»`)
)

// unmark is a text as one of the languages has it.
func unmark(text string, typed bool) string {
	if typed {
		return typesMark.ReplaceAllString(scriptMark.ReplaceAllString(text, ""), "$1")
	}
	return scriptMark.ReplaceAllString(typesMark.ReplaceAllString(text, ""), "$1")
}

// script writes a client in TypeScript or JavaScript.
func (a *API) script(typed bool) ([]byte, error) {
	common, err := runtime("client.ts")
	if err != nil {
		return nil, err
	}
	w := &writer{}
	w.f("// %s\n// A client of %s. Node 18 or newer, browsers, Deno, Bun.\n\n", Header, oneLine(a.Title))
	w.f("/** Codes of problems. */\nexport const Code = {\n")
	for i, name := range a.codeNames() {
		w.f("  /** %s (%d). */\n  %s: %q,\n", oneLine(a.Codes[i].Title), a.Codes[i].Status, name, a.Codes[i].Code)
	}
	w.f("}« as const»;\n«export type Code = (typeof Code)[keyof typeof Code];\n»\n%s", common)
	w.f("«")
	for _, t := range a.Types {
		w.f("\nexport interface %s {\n%s}\n", t.Name, scriptMembers(t.Fields, "  "))
	}
	for _, c := range a.Collections {
		w.f("\n/** Conditions on records of %s. */\nexport interface %sWhere {\n", c.Name, c.Read.Name)
		for _, f := range c.Filters {
			condition := "Condition<" + scriptType(f.Schema, false) + ">"
			if f.Schema.Kind == "string" && f.Schema.Format == "" {
				condition = "TextCondition"
			}
			w.f("  %s?: %s;\n", scriptName(f.Name), condition)
		}
		w.f("}\n")
	}
	if len(a.Collections) > 0 {
		w.f("\n/** One change among others, of several models. */\nexport type TransactionOperation =")
		for _, c := range a.Collections {
			w.f("\n  | ({ model: %q } & Change<%s, %s, %s>)", c.Name, scriptType(c.Read.field(c.Key).Schema, false), c.Write.Name, c.Patch.Name)
		}
		w.f(";\n")
	}
	w.f("»\n")
	a.scriptClient(w)
	return []byte(unmark(w.String(), typed)), nil
}

// scriptClient writes the class of the application.
func (a *API) scriptClient(w *writer) {
	taken := members{"transport": true, "constructor": true, "transaction": true}
	names := make([]string, len(a.Collections))
	w.f("/** The application: const api = new Client({ baseURL: \"http://127.0.0.1:8080\" }). */\nexport class Client {\n«  readonly transport: Transport;\n")
	for i, c := range a.Collections {
		names[i] = taken.free(camel(c.plural(), false), "Collection")
		var sorts []string
		for _, n := range c.filterNames() {
			sorts = append(sorts, strconv.Quote(n))
		}
		w.f("  readonly %s: Collection<%s, %s, %s, %s, %sWhere, %s>;\n", names[i], c.Read.Name, scriptType(c.Read.field(c.Key).Schema, false), c.Write.Name, c.Patch.Name, c.Read.Name, strings.Join(sorts, " | "))
	}
	w.f("»\n  constructor(options«: Options») {\n    const t = (this.transport = new Transport(options));\n")
	for i, c := range a.Collections {
		w.f("    this.%s = new Collection(t, %q, %q, %q, %t);\n", names[i], c.Name, c.Path, c.Key, c.Past)
	}
	w.f("  }\n")
	if len(a.Collections) > 0 {
		w.f("\n  /** Carries out changes of several models, all or none. */\n  async transaction(operations«: readonly TransactionOperation[]», options«: WriteOptions» = {})«: Promise<Answer<Result<unknown>[]>>» {\n")
		w.f("    const a = await this.transport.write(\"POST\", \"/api/_tx\", operations, options);\n    return { ...a, value: a.value.results };\n  }\n")
	}
	for _, o := range a.Operations {
		o.script(w, taken.free(camel(o.Name, false), "Operation"))
	}
	w.f("}\n")
}

// script writes the method of an operation.
func (o *Operation) script(w *writer, name string) {
	var inputs []string
	if len(o.Params) > 0 {
		var fields []*Field
		for _, p := range o.Params {
			fields = append(fields, &p.Field)
		}
		inputs = append(inputs, "params«: { "+strings.ReplaceAll(strings.TrimSpace(scriptMembers(fields, "")), "\n", " ")+" }»")
	}
	body := "undefined"
	if o.Body != nil {
		body = "body"
		inputs = append(inputs, "body«: "+scriptType(o.Body, true)+"»")
	}
	options := map[bool]string{true: "ReadOptions", false: "WriteOptions"}[o.reads()]
	inputs = append(inputs, "options«: "+options+"» = {}")
	out := "undefined"
	if o.Output != nil {
		out = scriptType(o.Output, true)
	}
	path := pathVariable.ReplaceAllStringFunc(o.Path, func(v string) string {
		return "${encodeURIComponent(String(" + access("params", strings.Trim(v, "{}")) + "))}"
	})
	given := func(place string) string {
		var list []string
		for _, p := range o.in(place) {
			list = append(list, scriptName(p.Name)+": "+access("params", p.Name))
		}
		if len(list) == 0 {
			return "[]"
		}
		return "pairs({ " + strings.Join(list, ", ") + " })"
	}
	w.f("\n  /** %s. %s %s */\n  %s(%s)«: Promise<Answer<%s>>» {\n", strings.TrimSuffix(strings.ReplaceAll(oneLine(o.Summary), "*/", "* /"), "."), o.Method, o.Path, name, strings.Join(inputs, ", "), out)
	headers := "Object.fromEntries(" + given("header") + ")"
	if len(o.in("header")) == 0 {
		headers = "{}"
	}
	if o.reads() {
		w.f("    return this.transport.read(`%s`, %s, options, %s);\n  }\n", path, given("query"), headers)
		return
	}
	w.f("    return this.transport.write(%q, `%s`, %s, options, { query: %s, headers: %s }, %t);\n  }\n", o.Method, path, body, given("query"), headers, o.Write)
}

func access(of, name string) string {
	if identifier(name) {
		return of + "." + name
	}
	return of + "[" + strconv.Quote(name) + "]"
}

func scriptName(name string) string {
	if identifier(name) {
		return name
	}
	return strconv.Quote(name)
}

func scriptMembers(fields []*Field, indent string) string {
	w := &writer{}
	for _, f := range fields {
		if doc := oneLine(f.Doc); doc != "" && indent != "" {
			w.f("%s/** %s. */\n", indent, strings.ReplaceAll(doc, "*/", "* /"))
		}
		optional := "?"
		if f.Required {
			optional = ""
		}
		w.f("%s%s%s: %s;\n", indent, scriptName(f.Name), optional, scriptType(f.Schema, true))
	}
	return w.String()
}

// scriptType is a schema as a type; nullable says whether null is to be in it.
func scriptType(s *Schema, nullable bool) string {
	t := map[string]string{"boolean": "boolean", "number": "number", "integer": "number", "string": "string", "any": "unknown"}[s.Kind]
	switch {
	case s.Kind == "integer" && strings.HasSuffix(s.Format, "int64"):
		t = "Int64"
	case s.Kind == "string":
		if named := map[string]string{"uuid": "ID", "date-time": "Timestamp", "base64": "Base64"}[s.Format]; named != "" {
			t = named
		}
	case s.Kind == "array":
		if t = scriptType(s.Elem, true); strings.ContainsAny(t, " |") {
			t = "(" + t + ")"
		}
		t += "[]"
	case s.Kind == "map":
		t = "Record<string, " + scriptType(s.Elem, true) + ">"
	case s.Kind == "ref":
		t = s.Ref.Name
	}
	if s.Nullable && nullable && t != "unknown" {
		t += " | null"
	}
	return t
}
