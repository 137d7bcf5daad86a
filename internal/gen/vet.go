package gen

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/lithair/lithair-go/model"
)

// scanCalls reads the structs that lithair.Model is called with, and holds the references of
// all models of the package against each other.
func (g *plan) scanCalls() {
	models := slices.Clone(g.models)
	for _, f := range g.p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			x, ok := n.(*ast.IndexExpr)
			if !ok || !g.imported(x.X, framework, "Model") {
				return true
			}
			id, ok := x.Index.(*ast.Ident)
			if ok && !slices.ContainsFunc(models, func(m *modelPlan) bool { return m.name == id.Name }) {
				if m := g.called(id.Name); m != nil {
					models = append(models, m)
				}
			}
			return true
		})
	}
	g.references(models)
}

// called reads a struct of the package by its name; nil when it is none, or is wrong.
func (g *plan) called(name string) *modelPlan {
	m := &modelPlan{name: name}
	for _, f := range g.p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && s.Name.Name == name {
				m.spec = s
			}
			return m.spec == nil
		})
	}
	if m.spec == nil {
		return nil
	}
	st, ok := m.spec.Type.(*ast.StructType)
	obj := g.p.types.Scope().Lookup(name)
	if !ok || obj == nil {
		return nil
	}
	if m.under, ok = obj.Type().Underlying().(*types.Struct); !ok {
		return nil
	}
	notes := len(g.notes)
	before := len(g.mistakes)
	g.readModel(m, st)
	g.notes = g.notes[:notes] // nothing is generated for it
	if len(g.mistakes) > before {
		return nil
	}
	return m
}

// references notes foreign keys to models that the package does not have: they may be
// registered elsewhere, and the program says at its start when they are not.
func (g *plan) references(models []*modelPlan) {
	var names []string
	for _, m := range models {
		names = append(names, m.name)
	}
	for _, m := range models {
		for _, f := range m.fields {
			if f.FK == "" || slices.Contains(names, f.FK) {
				continue
			}
			note := g.p.mistake(f.v.Pos(), 0, "fk=%s: this package has no model of that name", f.FK)
			note.DidYouMean = model.Nearest(f.FK, names)
			g.notes = append(g.notes, note)
		}
	}
}
