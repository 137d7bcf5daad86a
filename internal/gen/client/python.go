package client

import (
	"slices"
	"strconv"
	"strings"
)

// pythonWords cannot be names.
var pythonWords = strings.Fields("False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield")

// python writes a client in Python.
func (a *API) python() ([]byte, error) {
	common, err := runtime("client.py")
	if err != nil {
		return nil, err
	}
	w := &writer{}
	w.f("# %s\n\"\"\"A client of %s. Python 3.9 or newer, the standard library alone.\"\"\"\n\nfrom __future__ import annotations\n\n", Header, strings.ReplaceAll(oneLine(a.Title), `"`, "'"))
	for _, name := range []string{"dataclasses", "datetime", "http.client", "itertools", "json", "random", "re", "socket", "ssl", "threading", "time", "urllib.parse", "uuid"} {
		w.f("import %s\n", name)
	}
	w.f("from typing import Any, Callable, Dict, Generic, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, TypedDict, TypeVar, Union\n\n%s", common)
	a.pythonProblems(w)
	for _, t := range a.Types {
		pythonType(w, t)
	}
	for _, c := range a.Collections {
		w.f("\n\nclass %sWhere(TypedDict, total=False):\n    \"\"\"Conditions on records of %s.\"\"\"\n\n", c.Read.Name, c.Name)
		for _, f := range c.Filters {
			if pythonIdentifier(f.Name) {
				w.f("    %s: Union[%s, None, Mapping[str, Any]]\n", f.Name, python(f.Schema, false))
			}
		}
	}
	a.pythonClient(w)
	return []byte(w.String()), nil
}

// pythonProblems writes the class of each code.
func (a *API) pythonProblems(w *writer) {
	names := a.codeNames()
	for i, name := range names {
		w.f("\n\nclass %s(Problem):\n    \"\"\"%s: %s (%d).\"\"\"\n", pythonProblem(name), a.Codes[i].Code, oneLine(a.Codes[i].Title), a.Codes[i].Status)
	}
	w.f("\n\n_PROBLEMS: Dict[str, Type[Problem]] = {\n")
	for i, name := range names {
		w.f("    %q: %s,\n", a.Codes[i].Code, pythonProblem(name))
	}
	w.f("}\n")
}

func pythonProblem(name string) string { return name + "Error" }

// pythonType writes a type, whose members may be left out in part. Members whose names are no
// identifiers want the other spelling of a TypedDict.
func pythonType(w *writer, t *Type) {
	plain := !slices.ContainsFunc(t.Fields, func(f *Field) bool { return !pythonIdentifier(f.Name) })
	if !plain {
		for _, half := range []struct {
			name     string
			required bool
		}{{"_" + t.Name + "Always", true}, {"_" + t.Name + "Maybe", false}} {
			w.f("\n\n%s = TypedDict(\n    %q,\n    {", half.name, half.name)
			for _, f := range t.Fields {
				if f.Required == half.required {
					w.f("%q: %q, ", f.Name, python(f.Schema, true))
				}
			}
			w.f("},\n    total=%s,\n)\n", map[bool]string{true: "True", false: "False"}[half.required])
		}
		w.f("\n\nclass %s(_%sAlways, _%sMaybe):\n    pass\n", t.Name, t.Name, t.Name)
		return
	}
	members := func(required bool) (n int) {
		for _, f := range t.Fields {
			if f.Required != required {
				continue
			}
			n++
			doc := oneLine(f.Doc)
			if doc != "" {
				doc = "  # " + doc
			}
			w.f("    %s: %s%s\n", f.Name, python(f.Schema, true), doc)
		}
		if n == 0 {
			w.f("    pass\n")
		}
		return n
	}
	always := slices.ContainsFunc(t.Fields, func(f *Field) bool { return f.Required })
	maybe := slices.ContainsFunc(t.Fields, func(f *Field) bool { return !f.Required })
	switch {
	case always && maybe:
		w.f("\n\nclass _%sAlways(TypedDict):\n", t.Name)
		members(true)
		w.f("\n\nclass %s(_%sAlways, total=False):\n", t.Name, t.Name)
		members(false)
	case always:
		w.f("\n\nclass %s(TypedDict):\n", t.Name)
		members(true)
	default:
		w.f("\n\nclass %s(TypedDict, total=False):\n", t.Name)
		members(false)
	}
}

func pythonIdentifier(name string) bool {
	return identifier(name) && !slices.Contains(pythonWords, name)
}

// python is a schema as a type.
func python(s *Schema, nullable bool) string {
	t := map[string]string{"boolean": "bool", "number": "float", "integer": "int", "string": "str"}[s.Kind]
	switch {
	case s.Kind == "string":
		if named := map[string]string{"uuid": "ID", "date-time": "Timestamp", "base64": "Base64"}[s.Format]; named != "" {
			t = named
		}
	case s.Kind == "array":
		t = "List[" + python(s.Elem, true) + "]"
	case s.Kind == "map":
		t = "Dict[str, " + python(s.Elem, true) + "]"
	case s.Kind == "ref":
		t = s.Ref.Name
	case t == "":
		return "Any"
	}
	if s.Nullable && nullable {
		return "Optional[" + t + "]"
	}
	return t
}

// pythonClient writes the class of the application.
func (a *API) pythonClient(w *writer) {
	taken := members{"transport": true, "transaction": true, "close": true}
	w.f("\n\nclass Client:\n    \"\"\"The application: Client(\"http://127.0.0.1:8080\"). Options are those of Transport; safe for concurrent use.\"\"\"\n\n")
	w.f("    def __init__(self, base_url: Union[str, Sequence[str]], **options: Any) -> None:\n        self.transport = t = Transport(base_url, **options)\n")
	for _, c := range a.Collections {
		key := python(c.Read.field(c.Key).Schema, false)
		args := strings.Join([]string{c.Read.Name, key, c.Write.Name, c.Patch.Name, c.Read.Name + "Where"}, ", ")
		w.f("        self.%s: Collection[%s] = Collection(t, %q, %q, %q, %s)\n", pythonMember(taken, snake(c.plural())), args, c.Name, c.Path, c.Key, map[bool]string{true: "True", false: "False"}[c.Past])
	}
	w.f("\n    def __enter__(self) -> Client:\n        return self\n\n    def __exit__(self, *_: object) -> None:\n        self.close()\n\n    def close(self) -> None:\n        \"\"\"Closes the connections that are idle.\"\"\"\n        self.transport.close()\n")
	if len(a.Collections) > 0 {
		w.f("\n    def transaction(self, operations: Sequence[Mapping[str, Any]], **options: Any) -> Answer[List[Result]]:\n        \"\"\"Carries out changes of several models, all or none: as Collection.bulk, with \"model\" in each.\"\"\"\n")
		w.f("        return _results(self.transport.write(\"POST\", \"/api/_tx\", operations, options))\n")
	}
	for _, o := range a.Operations {
		o.python(w, pythonMember(taken, snake(o.Name)))
	}
}

// pythonMember is a name of a method that is free and no word of the language.
func pythonMember(taken members, name string) string {
	if slices.Contains(pythonWords, name) {
		name += "_"
	}
	return taken.free(name, "_")
}

// python writes the method of an operation.
func (o *Operation) python(w *writer, name string) {
	args := members{"self": true, "body": true, "options": true}
	names := map[string]string{}
	inputs, optional := []string{"self"}, []string{}
	for _, p := range ordered(o.Params) {
		arg := pythonMember(args, snake(p.Name))
		names[p.Name] = arg
		if p.Required {
			inputs = append(inputs, arg+": "+python(p.Schema, true))
		} else {
			optional = append(optional, arg+": Optional["+python(p.Schema, false)+"] = None")
		}
	}
	body := "None"
	if o.Body != nil {
		body = "body"
		inputs = append(inputs, "body: "+python(o.Body, true))
	}
	if len(optional) > 0 {
		inputs = append(append(inputs, "*"), optional...)
	}
	inputs = append(inputs, "**options: Any")
	out := "None"
	if o.Output != nil {
		out = python(o.Output, true)
	}
	path := strconv.Quote(o.Path)
	if vars := pathVariable.FindAllString(o.Path, -1); len(vars) > 0 {
		path = pathVariable.ReplaceAllStringFunc(o.Path, func(v string) string {
			return "{urllib.parse.quote(_text(" + names[strings.Trim(v, "{}")] + "), safe='')}"
		})
		path = `f"` + path + `"`
	}
	given := func(place string) string {
		var list []string
		for _, p := range o.in(place) {
			list = append(list, strconv.Quote(p.Name)+": "+names[p.Name])
		}
		if len(list) == 0 {
			return ""
		}
		return "_pairs({" + strings.Join(list, ", ") + "})"
	}
	w.f("\n    def %s(%s) -> Answer[%s]:\n        \"\"\"%s. %s %s\"\"\"\n", name, strings.Join(inputs, ", "), out, strings.ReplaceAll(strings.TrimSuffix(oneLine(o.Summary), "."), `"""`, "'''"), o.Method, o.Path)
	query, headers := given("query"), given("header")
	if headers != "" {
		headers = "dict(" + headers + ")"
	}
	if o.reads() {
		if query == "" {
			query = "[]"
		}
		if headers != "" {
			headers = ", " + headers
		}
		w.f("        return self.transport.read(%s, %s, options%s)\n", path, query, headers)
		return
	}
	more := ""
	if query != "" {
		more += ", query=" + query
	}
	if headers != "" {
		more += ", headers=" + headers
	}
	if !o.Write {
		more += ", keyed=False"
	}
	w.f("        return self.transport.write(%q, %s, %s, options%s)\n", o.Method, path, body, more)
}
