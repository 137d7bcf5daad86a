package gen

import (
	"go/token"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// fieldType writes the type of a field.
func (e *emitter) fieldType(f *fieldPlan) string {
	if f.typ == nil {
		return e.expr(f.expr)
	}
	return e.typ(f.typ)
}

// param is a field as the name of a parameter.
func param(f *fieldPlan) string {
	name := unexported(f.GoName)
	if token.IsKeyword(name) || slices.Contains([]string{"c", "r", "tx", "v", "iter", "lithair", "string", "error", "any"}, name) {
		name += "Value"
	}
	return name
}

// collection writes the typed collection of a model.
func (e *emitter) collection(m *modelPlan) {
	lithair, key := e.pkg(framework), m.field(m.model.Primary)
	e.doc("%s is the collection of all records of %s.", m.collection, m.name)
	e.f("type %s struct{ *%s.Collection[%s] }\n\n", m.collection, lithair, m.name)
	keyType := e.fieldType(key)
	e.doc("Get returns the record with that key. [lithair.ErrNotFound] when there is none.")
	e.f("func (c *%s) Get(r %s.Reader, %s %s) (%s, error) {\nreturn c.Collection.Get(r, %s)\n}\n\n", m.collection, lithair, param(key), keyType, m.name, param(key))
	e.doc("Delete removes the record with that key; see [lithair.Collection.Delete].")
	e.f("func (c *%s) Delete(tx *%s.Tx, %s %s) error {\nreturn c.Collection.Delete(tx, %s)\n}\n\n", m.collection, lithair, param(key), keyType, param(key))
	e.doc("Where iterates over the records that meet all conditions, made of the fields of\n%sField; see [lithair.Collection.Find].", m.name)
	e.f("func (c *%s) Where(r %s.Reader, conditions ...%s.Condition[%s]) %s.Seq2[%s, error] {\nreturn c.Find(r, conditions...)\n}\n\n",
		m.collection, lithair, lithair, m.name, e.pkg("iter"), m.name)
	for _, f := range m.fields {
		if f.Primary || !f.Unique && !f.Indexed && f.FK == "" {
			continue
		}
		e.lookup(m, []*fieldPlan{f}, f.Unique, f.Name)
	}
	e.declared(m)
}

// field is the plan of one of the model's fields.
func (m *modelPlan) field(f *model.Field) *fieldPlan {
	i := slices.IndexFunc(m.fields, func(p *fieldPlan) bool { return p.Field == f })
	return m.fields[i]
}

// declared writes a lookup for each declared index that holds all records.
func (e *emitter) declared(m *modelPlan) {
	done := map[string]bool{}
	for _, x := range m.model.Indexes {
		if len(x.Where) > 0 {
			continue
		}
		var fields []*fieldPlan
		var names []string
		optional := false
		for _, f := range x.Fields {
			fields, names = append(fields, m.field(f)), append(names, f.Name)
			optional = optional || f.Optional
		}
		index := strings.Join(names, "+")
		if len(fields) < 2 || done[index] || x.Unique && optional {
			continue
		}
		done[index] = true
		e.lookup(m, fields, x.Unique, index)
	}
}

// lookup writes a method that finds records by the values of an index.
func (e *emitter) lookup(m *modelPlan, fields []*fieldPlan, unique bool, index string) {
	lithair := e.pkg(framework)
	var names, params, values []string
	for _, f := range fields {
		names = append(names, f.GoName)
		typ := e.fieldType(f)
		if f.value != nil && f.value != f.typ {
			typ = e.typ(f.value)
		}
		params, values = append(params, param(f)+" "+typ), append(values, param(f))
	}
	method := "By" + strings.Join(names, "And")
	what := strings.ReplaceAll(index, "+", " and ")
	if unique && len(fields) == 1 {
		e.doc("%s returns the record with that %s. [lithair.ErrNotFound] when there is none.", method, what)
		e.f("func (c *%s) %s(r %s.Reader, %s) (%s, error) {\nreturn c.By(r, %q, %s)\n}\n\n", m.collection, method, lithair, params[0], m.name, index, values[0])
		return
	}
	span := lithair + `.Span{Index: "` + index + `", Equal: []any{` + strings.Join(values, ", ") + `}}`
	if unique {
		e.doc("%s returns the record with that %s. [lithair.ErrNotFound] when there is none.", method, what)
		e.f("func (c *%s) %s(r %s.Reader, %s) (%s, error) {\nfor v, err := range c.Range(r, %s) {\nreturn v, err\n}\nreturn %s{}, %s.ErrNotFound\n}\n\n",
			m.collection, method, lithair, strings.Join(params, ", "), m.name, span, m.name, lithair)
		return
	}
	e.doc("%s iterates over the records with that %s.", method, what)
	e.f("func (c *%s) %s(r %s.Reader, %s) %s.Seq2[%s, error] {\nreturn c.Range(r, %s)\n}\n\n",
		m.collection, method, lithair, strings.Join(params, ", "), e.pkg("iter"), m.name, span)
}

// conditions writes the fields that conditions are made of.
func (e *emitter) conditions(m *modelPlan) {
	lithair := e.pkg(framework)
	var decl, init strings.Builder
	for _, f := range m.fields {
		if f.typ == nil || f.Sealed || !comparable(f.Type.Kind) {
			continue
		}
		value := e.typ(f.value)
		typ, lit := lithair+".Field["+m.name+", "+value+"]", `"`+f.Name+`"`
		switch {
		case f.Type.Optional:
			typ, lit = lithair+".OptionalField["+m.name+", "+value+"]", lithair+".OptionalField["+m.name+", "+value+"]{Field: "+lit+"}"
		case f.Type.Kind == binenc.KindString && isString(f.value):
			typ, lit = lithair+".TextField["+m.name+", "+value+"]", lithair+".TextField["+m.name+", "+value+"]{Field: "+lit+"}"
		}
		decl.WriteString(f.GoName + " " + typ + "\n")
		init.WriteString(f.GoName + ": " + lit + ",\n")
	}
	e.doc("%sField are the fields of %s that conditions of %s.Where are made of.", m.name, m.name, m.collection)
	e.f("var %sField = struct {\n%s}{\n%s}\n\n", m.name, decl.String(), init.String())
}

func comparable(k binenc.Kind) bool {
	switch k {
	case binenc.KindList, binenc.KindMap, binenc.KindMessage, binenc.KindBytes:
		return false
	}
	return true
}

// events writes the typed events of a model.
func (e *emitter) events(m *modelPlan) {
	lithair, ctx, key := e.pkg(framework), e.pkg("context"), m.field(m.model.Primary)
	e.doc("%sCreated says that a record was created.", m.name)
	e.f("type %sCreated struct {\n%s.EventInfo\n%s %s\n}\n\n", m.name, lithair, m.name, m.name)
	e.doc("%sUpdated says which fields of a record were changed.", m.name)
	e.f("type %sUpdated struct {\n%s.EventInfo\n%s %s\n", m.name, lithair, eventName(key), e.fieldType(key))
	for _, f := range m.fields {
		if !f.Primary {
			e.f("%s %s.Changed[%s]\n", eventName(f), lithair, e.fieldType(f))
		}
	}
	e.f("}\n\n")
	e.doc("%sDeleted says that a record was deleted.", m.name)
	e.f("type %sDeleted struct {\n%s.EventInfo\n%s %s\n}\n\n", m.name, lithair, eventName(key), e.fieldType(key))
	e.doc("%sEvents is what is called with the events of %s; nil is passed over.", m.name, m.name)
	e.f("type %sEvents struct {\n", m.name)
	for _, kind := range []string{"Created", "Updated", "Deleted"} {
		e.f("%s func(ctx %s.Context, e %s%s) error\n", kind, ctx, m.name, kind)
	}
	e.f("}\n\n")
	e.doc("OnCommit has functions called behind the commit with every event in order, at least once,\non each node; see [lithair.App.Committed], also for name.")
	e.f("func (c *%s) OnCommit(name string, h %sEvents) {\n", m.collection, m.name)
	e.f("c.Collection.OnCommit(name, func(ctx %s.Context, e %s.Event[%s]) error {\nswitch {\n", ctx, lithair, m.name)
	e.f("case e.Kind == %s.Created && h.Created != nil:\nreturn h.Created(ctx, %sCreated{e.EventInfo, e.Record})\n", lithair, m.name)
	e.f("case e.Kind == %s.Updated && h.Updated != nil:\nreturn h.Updated(ctx, %sUpdated{\nEventInfo: e.EventInfo,\n%s: e.Record.%s,\n", lithair, m.name, eventName(key), key.sel)
	for _, f := range m.fields {
		if !f.Primary {
			e.f("%s: %s.To(&e, %q, e.Record.%s),\n", eventName(f), lithair, f.Name, f.sel)
		}
	}
	e.f("})\ncase e.Kind == %s.Deleted && h.Deleted != nil:\nreturn h.Deleted(ctx, %sDeleted{e.EventInfo, e.Record.%s})\n}\nreturn nil\n})\n}\n\n", lithair, m.name, key.sel)
}

// eventName is a field's name in an event, where EventInfo has names of its own.
func eventName(f *fieldPlan) string {
	if slices.Contains([]string{"EventInfo", "Seq", "Time", "Actor", "RequestID", "TraceID", "Command"}, f.GoName) {
		return "Field" + f.GoName
	}
	return f.GoName
}
