package gen

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/model"
)

// apiPlan is one type with //lithair:api.
type apiPlan struct {
	name   string
	spec   *ast.TypeSpec
	fields [][2]string // what Register sets: field and expression
	routes []*routePlan
}

// routePlan is one of its methods that is served.
type routePlan struct {
	decl          *ast.FuncDecl
	pos           token.Pos // of the directive, or of the method's name
	pattern       string
	status        int
	kind          string // Tx, View or Call: what it is served by
	context       string // name of the type of the first parameter, without its package
	in, out       ast.Expr
	name, summary string
}

// statusPlan is an error with //lithair:status.
type statusPlan struct {
	name   string
	status int
}

// scanAPI notes a type whose methods are served.
func (g *plan) scanAPI(spec *ast.TypeSpec, d *directive) {
	a := &apiPlan{name: spec.Name.Name, spec: spec}
	st, ok := spec.Type.(*ast.StructType)
	switch {
	case !ok || spec.Assign.IsValid() || spec.TypeParams != nil:
		g.mistakes = append(g.mistakes, g.p.mistake(spec.Name.Pos(), 0, "//lithair:api is for struct types without parameters, and %s is none", a.name))
		return
	case !spec.Name.IsExported():
		g.mistakes = append(g.mistakes, g.p.mistake(spec.Name.Pos(), 0, "%s is not exported: it is a field of Models", a.name))
		return
	case len(d.args) > 0:
		g.mistakes = append(g.mistakes, g.p.mistake(d.pos, 0, "//lithair:api has no arguments"))
	}
	for _, f := range st.Fields.List {
		star, ok := f.Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		names := f.Names
		if len(names) == 0 {
			names = []*ast.Ident{{Name: embeddedName(star.X)}}
		}
		for _, n := range names {
			switch id, local := star.X.(*ast.Ident); {
			case local && id.Name == "Models":
				a.fields = append(a.fields, [2]string{n.Name, "m"})
			case local:
				a.fields = append(a.fields, [2]string{n.Name, "m." + id.Name}) // kept when there is such a collection
			case g.imported(star.X, framework, "App"):
				a.fields = append(a.fields, [2]string{n.Name, "app"})
			}
		}
	}
	g.apis = append(g.apis, a)
}

func embeddedName(x ast.Expr) string {
	if sel, ok := x.(*ast.SelectorExpr); ok {
		return sel.Sel.Name
	}
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// imported says whether x is a name of a package, by the imports of its file.
func (g *plan) imported(x ast.Expr, importPath, name string) bool {
	sel, ok := x.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	for _, f := range g.p.files {
		if id.Pos() < f.FileStart || f.FileEnd <= id.Pos() {
			continue
		}
		for _, spec := range f.Imports {
			if text, err := strconv.Unquote(spec.Path.Value); err != nil || text != importPath {
				continue
			}
			own := "lithair"
			if importPath != framework {
				own = importPath[strings.LastIndexByte(importPath, '/')+1:]
			}
			if spec.Name != nil {
				own = spec.Name.Name
			}
			return own == id.Name
		}
	}
	return false
}

// scanStatus notes errors that have a status.
func (g *plan) scanStatus(d *ast.GenDecl, list []*directive) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		docs := []*ast.CommentGroup{spec.Doc, spec.Comment}
		if !d.Lparen.IsValid() {
			docs = append(docs, d.Doc)
		}
		for _, dir := range of(list, "status", docs...) {
			status := 0
			if len(dir.args) == 1 {
				status, _ = strconv.Atoi(dir.args[0])
			}
			if status < 400 || status > 599 {
				g.mistakes = append(g.mistakes, g.p.mistake(dir.pos, 0, "//lithair:status wants one number from 400 to 599"))
				continue
			}
			for _, n := range spec.Names {
				g.statuses = append(g.statuses, statusPlan{n.Name, status})
			}
		}
	}
}

// signatures are what a method may look like, for messages.
var signatures = []string{
	"func (a *API) Name(tx *lithair.Tx, in In) (Out, error)", "func (a *API) Name(s *lithair.Snapshot, in In) (Out, error)",
	"func (a *API) Name(ctx context.Context, in In) (Out, error)", "each without in, or without Out",
}

// scanMethod notes a method of a type with //lithair:api when it is served: where it has
// //lithair:route, or is exported and looks like a route.
func (g *plan) scanMethod(f *ast.FuncDecl, list []*directive) {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return
	}
	owner := f.Recv.List[0].Type
	if star, ok := owner.(*ast.StarExpr); ok {
		owner = star.X
	}
	i := slices.IndexFunc(g.apis, func(a *apiPlan) bool { return a.name == embeddedName(owner) })
	if i < 0 {
		return
	}
	a := g.apis[i]
	found := of(list, "route", f.Doc)
	r := &routePlan{decl: f, pos: f.Name.Pos(), summary: summary(f), name: kebab(a.name) + "-" + kebab(f.Name.Name)}
	fits := g.signature(r)
	if len(found) == 0 {
		if fits && f.Name.IsExported() {
			r.pattern = g.defaultMethod(r) + " /api/" + kebab(a.name) + "/" + kebab(f.Name.Name)
			a.routes = append(a.routes, r)
			g.checkInput(r)
		}
		return
	}
	d := found[0]
	r.pos = d.pos
	switch {
	case len(d.args) == 1 && d.args[0] == "-":
		return
	case len(found) > 1:
		g.mistakes = append(g.mistakes, g.p.mistake(found[1].pos, 0, "a second //lithair:route of %s.%s", a.name, f.Name.Name))
	case !fits:
		m := g.p.mistake(f.Name.Pos(), 0, "%s.%s cannot be a route: in is a struct type with a name", a.name, f.Name.Name)
		m.Allowed = signatures
		g.mistakes = append(g.mistakes, m)
	case !g.readRoute(r, d):
	default:
		a.routes = append(a.routes, r)
		g.checkInput(r)
	}
}

// summary is the first sentence of a method's comment.
func summary(f *ast.FuncDecl) string {
	text := strings.Join(strings.Fields(f.Doc.Text()), " ")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, ".")
}

func (g *plan) defaultMethod(r *routePlan) string {
	if r.kind == "Tx" {
		return "POST"
	}
	return "GET"
}

// signature reads the parameters and results of a method; false when they are not those of a
// route.
func (g *plan) signature(r *routePlan) bool {
	params, results := flatFields(r.decl.Type.Params), flatFields(r.decl.Type.Results)
	if len(params) < 1 || len(params) > 2 || len(results) < 1 || len(results) > 2 || r.decl.Type.TypeParams != nil {
		return false
	}
	star, pointer := params[0].(*ast.StarExpr)
	switch {
	case pointer && g.imported(star.X, framework, "Tx"):
		r.kind, r.context = "Tx", "Tx"
	case pointer && g.imported(star.X, framework, "Snapshot"):
		r.kind, r.context = "View", "Snapshot"
	case g.imported(params[0], "context", "Context"):
		r.kind, r.context = "Call", "Context"
	default:
		return false
	}
	if len(params) == 2 {
		if r.in = params[1]; !g.isInput(r.in) {
			return false
		}
	}
	last, ok := results[len(results)-1].(*ast.Ident)
	if len(results) == 2 {
		r.out = results[0]
	}
	return ok && last.Name == "error"
}

// flatFields lists the types of parameters or results, one for each.
func flatFields(list *ast.FieldList) (all []ast.Expr) {
	if list == nil {
		return nil
	}
	for _, f := range list.List {
		for range max(1, len(f.Names)) {
			all = append(all, f.Type)
		}
	}
	return all
}

// isInput says whether a type can be the input of a route: a struct, as far as it is known,
// with a name.
func (g *plan) isInput(x ast.Expr) bool {
	switch x.(type) {
	case *ast.Ident, *ast.SelectorExpr:
	default:
		return false
	}
	t := g.p.info.Types[x].Type
	if t == nil || t == types.Typ[types.Invalid] {
		return true
	}
	return isStruct(t)
}

var goodPattern = regexp.MustCompile(`^/(?:[A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*(?:\.\.\.)?\}|/)*$`)

// readRoute reads //lithair:route METHOD PATH [STATUS].
func (g *plan) readRoute(r *routePlan, d *directive) bool {
	bad := func(format string, args ...any) bool {
		m := g.p.mistake(d.pos, 0, format, args...)
		m.Allowed = []string{"METHOD PATH", "METHOD PATH STATUS", "- for none"}
		g.mistakes = append(g.mistakes, m)
		return false
	}
	if len(d.args) != 2 && len(d.args) != 3 {
		return bad("//lithair:route wants a method and a path, such as POST /orders/{id}/pay")
	}
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	switch method := d.args[0]; {
	case !slices.Contains(methods, method):
		m := g.p.mistake(d.pos, 0, "%s is no method of a route", method)
		m.Allowed, m.DidYouMean = methods, model.Nearest(strings.ToUpper(method), methods)
		g.mistakes = append(g.mistakes, m)
		return false
	case !goodPattern.MatchString(d.args[1]):
		return bad("%s is no path of a route", d.args[1])
	case r.kind == "Tx" && method == "GET":
		return bad("%s writes, as it takes a *lithair.Tx, so its method is not GET: take a *lithair.Snapshot to read", r.decl.Name.Name)
	}
	if len(d.args) == 3 {
		if r.status, _ = strconv.Atoi(d.args[2]); r.status < 200 || r.status > 299 {
			return bad("%s is no status of an answer: want one from 200 to 299", d.args[2])
		}
	}
	r.pattern = d.args[0] + " " + d.args[1]
	return true
}

// checkInput holds the variables of a pattern against the fields of the input.
func (g *plan) checkInput(r *routePlan) {
	var have []string
	if r.in != nil {
		t := g.p.info.Types[r.in].Type
		if t == nil || !isStruct(t) {
			return // it is not known; the program says so when it starts
		}
		st := t.Underlying().(*types.Struct)
		for i := range st.NumFields() {
			if name := reflect.StructTag(st.Tag(i)).Get("path"); name != "" {
				have = append(have, name)
				if !strings.Contains(r.pattern, "{"+name+"}") && !strings.Contains(r.pattern, "{"+name+"...}") {
					g.mistakes = append(g.mistakes, g.p.mistake(st.Field(i).Pos(), 0, "the tag path:%q has no variable {%s} in %s", name, name, r.pattern))
				}
			}
		}
	}
	for part := range strings.SplitSeq(r.pattern, "/") {
		name, ok := strings.CutPrefix(part, "{")
		if name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."); !ok || slices.Contains(have, name) {
			continue
		}
		m := g.p.mistake(r.pos, 0, "%s: no field of the input has the tag path:%q", r.pattern, name)
		m.Allowed, m.DidYouMean = have, model.Nearest(name, have)
		g.mistakes = append(g.mistakes, m)
	}
}

// checkRoutes refuses two routes at one pattern, whatever their variables are called.
func (g *plan) checkRoutes() {
	seen := map[string]*routePlan{}
	for _, a := range g.apis {
		for _, r := range a.routes {
			key := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(r.pattern, "{}")
			if other := seen[key]; other != nil {
				g.mistakes = append(g.mistakes, g.p.mistake(r.pos, 0, "%s is served by %s already (%s)", r.pattern, other.decl.Name.Name, other.pattern))
			}
			seen[key] = r
		}
	}
}

// keepFields drops the fields of APIs that nothing is known to be set to.
func (g *plan) keepFields() {
	for _, a := range g.apis {
		a.fields = slices.DeleteFunc(a.fields, func(f [2]string) bool {
			name, is := strings.CutPrefix(f[1], "m.")
			return is && !slices.ContainsFunc(g.models, func(m *modelPlan) bool { return m.collection == name })
		})
	}
}

// api writes the part of Register that makes an API and serves its routes.
func (e *emitter) api(a *apiPlan, failures bool) {
	lithair := e.pkg(framework)
	var set []string
	for _, f := range a.fields {
		set = append(set, f[0]+": "+f[1])
	}
	e.f("m.%s = &%s{%s}\n", a.name, a.name, strings.Join(set, ", "))
	for _, r := range a.routes {
		route := fmt.Sprintf("Pattern: %q, Name: %q", r.pattern, r.name)
		if r.summary != "" {
			route += ", Summary: " + strconv.Quote(r.summary)
		}
		if r.status != 0 {
			route += ", Status: " + strconv.Itoa(r.status)
		}
		if failures {
			route += ", Errors: failures"
		}
		e.f("%s.Route%s(app, %s.Route{%s}, %s)\n", lithair, r.kind, lithair, route, e.handler(a, r))
	}
}

// handler is the method itself, or a function that calls it where it has no input or output.
func (e *emitter) handler(a *apiPlan, r *routePlan) string {
	method := "m." + a.name + "." + r.decl.Name.Name
	if r.in != nil && r.out != nil {
		return method
	}
	first := "x *" + e.pkg(framework) + "." + r.context
	if r.kind == "Call" {
		first = "x " + e.pkg("context") + ".Context"
	}
	in, out, call := "_ struct{}", "struct{}", method+"(x)"
	if r.in != nil {
		in, call = "in "+e.expr(r.in), method+"(x, in)"
	}
	if r.out != nil {
		return fmt.Sprintf("func(%s, %s) (%s, error) { return %s }", first, in, e.expr(r.out), call)
	}
	return fmt.Sprintf("func(%s, %s) (%s, error) { return struct{}{}, %s }", first, in, out, call)
}
