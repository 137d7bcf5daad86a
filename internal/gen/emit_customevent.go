package gen

import (
	"go/ast"
	"slices"
)

// customEvent is a type of the package that is an event about a model's records: it has a method
// Apply(*Model) error (lithair.CustomEvent).
type customEvent struct {
	name    string // of the type
	pointer bool   // the pointer has the method
}

// typ is how the event is written.
func (c customEvent) typ() string {
	if c.pointer {
		return "*" + c.name
	}
	return c.name
}

// customEvents finds the events of a model, in order of their names. Generic types, and
// those inside functions, are none.
func (e *emitter) customEvents(m *modelPlan) (list []customEvent) {
	for _, f := range e.p.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "Apply" || fn.Recv == nil || len(fn.Recv.List) != 1 || !appliesTo(fn.Type, m.name) {
				continue
			}
			x, pointer := fn.Recv.List[0].Type, false
			if star, ok := x.(*ast.StarExpr); ok {
				x, pointer = star.X, true
			}
			if id, ok := x.(*ast.Ident); ok {
				list = append(list, customEvent{id.Name, pointer})
			}
		}
	}
	slices.SortFunc(list, func(a, b customEvent) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return list
}

// appliesTo says that a method takes a pointer to a model, and returns an error.
func appliesTo(t *ast.FuncType, model string) bool {
	if t.TypeParams != nil || len(t.Params.List) != 1 || len(t.Params.List[0].Names) > 1 || t.Results == nil || len(t.Results.List) != 1 {
		return false
	}
	star, ok := t.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	id, ok := star.X.(*ast.Ident)
	result, isName := t.Results.List[0].Type.(*ast.Ident)
	return ok && isName && id.Name == model && result.Name == "error"
}

// custom writes, for each event of the application's own, how it is emitted and heard. What the package
// declares itself is left to it.
func (e *emitter) custom(m *modelPlan) {
	if m.model.Seals() || m.model.MemoryOnly { // they have none, see engine.Tx.Emit
		return
	}
	lithair, key := e.pkg(framework), m.field(m.model.Primary)
	taken := map[string]bool{"OnCommit": true, "OnEvent": true} // of the collection
	free := func(method string) string {
		for taken[method] { // two types, such as sent and Sent
			method += "Event"
		}
		taken[method] = true
		return method
	}
	for _, c := range e.customEvents(m) {
		emit, on := free("Emit"+exported(c.name)), free("On"+exported(c.name))
		if !e.declares(m.collection, emit) {
			event := "event"
			if param(key) == event {
				event = "said"
			}
			e.doc("%s records that event about the record with that key; see [lithair.Collection.Emit].", emit)
			e.f("func (c *%s) %s(tx *%s.Tx, %s %s, %s %s) error {\nreturn c.Emit(tx, %s, %s)\n}\n\n",
				m.collection, emit, lithair, param(key), e.fieldType(key), event, c.typ(), param(key), event)
		}
		if !e.declares(m.collection, on) {
			ctx := e.pkg("context")
			e.doc("%s adds a function that is called behind the commit with every such event, in order, at least\nonce, on each node; see [lithair.OnEvent], also for name.", on)
			e.f("func (c *%s) %s(name string, fn func(ctx %s.Context, e %s.Event[%s], event %s) error) {\n%s.OnEvent(c.Collection, name, fn)\n}\n\n",
				m.collection, on, ctx, lithair, m.name, c.typ(), lithair)
		}
	}
}

// declares says that the package has a method of that name on a type that is generated.
func (e *emitter) declares(typ, method string) bool {
	for _, f := range e.p.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != method || fn.Recv == nil || len(fn.Recv.List) != 1 {
				continue
			}
			x := fn.Recv.List[0].Type
			if star, ok := x.(*ast.StarExpr); ok {
				x = star.X
			}
			if id, ok := x.(*ast.Ident); ok && id.Name == typ {
				return true
			}
		}
	}
	return false
}
