package gen

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/model"
)

// plan is what is to be generated for a package.
type plan struct {
	p        *Package
	models   []*modelPlan
	coded    []*types.Named // structs with //lithair:json
	apis     []*apiPlan
	statuses []statusPlan
	mistakes []*Mistake
	notes    []*Mistake
}

// modelPlan is one struct with //lithair:model.
type modelPlan struct {
	name       string // of the type
	collection string // name of its collection
	path       string // "" when it is not served
	spec       *ast.TypeSpec
	named      *types.Named
	under      *types.Struct
	model      *model.Model
	fields     []*fieldPlan
	print      string // of the struct
	whole      bool   // all types were found: validation and codecs can be generated
}

// fieldPlan is a stored field.
type fieldPlan struct {
	*model.Field
	v     *types.Var
	sel   string     // from the struct to it, through embedded ones: Base.Name
	typ   types.Type // of the field; nil when it was not found
	value types.Type // the same without the pointer of an optional field
	expr  ast.Expr   // as it stands, where typ is nil
}

// directives are the words behind //lithair:.
var directives = []string{"model", "json", "api", "route", "status"}

// directive is one such comment.
type directive struct {
	pos  token.Pos
	word string
	args []string
	used bool
}

// directivesIn reads the comments of a file. Unknown ones are mistakes.
func (g *plan) directivesIn(f *ast.File) (list []*directive) {
	for _, group := range f.Comments {
		for _, c := range group.List {
			text, ok := strings.CutPrefix(c.Text, "//lithair:")
			if !ok {
				continue
			}
			words := strings.Fields(text)
			if len(words) == 0 || !strings.HasPrefix(text, words[0]) || !slices.Contains(directives, words[0]) {
				m := g.p.mistake(c.Pos(), 0, "unknown directive %s", firstWord(c.Text))
				m.Allowed, m.DidYouMean = slices.Clone(directives), model.Nearest(strings.Join(words[:min(1, len(words))], ""), directives)
				g.mistakes = append(g.mistakes, m)
				continue
			}
			list = append(list, &directive{pos: c.Pos(), word: words[0], args: words[1:]})
		}
	}
	return list
}

func firstWord(s string) string { return strings.Fields(s)[0] }

// of returns the directives of one kind in a doc comment, and marks them as used.
func of(list []*directive, word string, docs ...*ast.CommentGroup) (found []*directive) {
	for _, d := range list {
		for _, doc := range docs {
			if doc != nil && d.word == word && doc.Pos() <= d.pos && d.pos < doc.End() {
				d.used = true
				found = append(found, d)
			}
		}
	}
	return found
}

// scan finds what is to be generated, and all that is wrong with it.
func scan(p *Package) *plan {
	g := &plan{p: p}
	lists := make([][]*directive, len(p.files))
	for i, f := range p.files {
		lists[i] = g.directivesIn(f)
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				g.scanTypes(d, lists[i])
			} else if ok && d.Tok == token.VAR {
				g.scanStatus(d, lists[i])
			}
		}
	}
	for i, f := range p.files {
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				g.scanMethod(fn, lists[i])
			}
		}
	}
	for _, list := range lists {
		g.unused(list)
	}
	g.keepFields()
	g.checkNames()
	g.checkRoutes()
	return g
}

// places are what directives stand in front of.
var places = map[string]string{"model": "a struct type", "json": "a struct type", "api": "a struct type", "route": "a method of a type with //lithair:api", "status": "a variable of a package"}

// unused refuses directives that stand in front of something else.
func (g *plan) unused(list []*directive) {
	for _, d := range list {
		if !d.used {
			g.mistakes = append(g.mistakes, g.p.mistake(d.pos, 0, "//lithair:%s stands in front of nothing: it belongs into the comment of %s", d.word, places[d.word]))
		}
	}
}

func (g *plan) scanTypes(d *ast.GenDecl, list []*directive) {
	for _, s := range d.Specs {
		spec := s.(*ast.TypeSpec)
		docs := []*ast.CommentGroup{spec.Doc}
		if !d.Lparen.IsValid() {
			docs = append(docs, d.Doc)
		}
		found := of(list, "model", docs...)
		if len(found) > 0 {
			g.scanModel(spec, found[0])
		}
		for _, d := range of(list, "json", docs...) {
			g.scanJSON(spec, d)
		}
		for _, d := range of(list, "api", docs...) {
			g.scanAPI(spec, d)
		}
		if len(found) > 1 {
			g.mistakes = append(g.mistakes, g.p.mistake(found[1].pos, 0, "a second //lithair:model of %s", spec.Name.Name))
		}
	}
}

// scanJSON notes a struct that wants a JSON codec and nothing else.
func (g *plan) scanJSON(spec *ast.TypeSpec, d *directive) {
	obj, _ := g.p.types.Scope().Lookup(spec.Name.Name).(*types.TypeName)
	var n *types.Named
	if obj != nil {
		n, _ = obj.Type().(*types.Named)
	}
	j := &jsonCoder{e: &emitter{p: g.p}}
	switch {
	case n == nil || !isStruct(n):
		g.mistakes = append(g.mistakes, g.p.mistake(spec.Name.Pos(), 0, "//lithair:json is for struct types, and %s is none", spec.Name.Name))
	case !j.can(n):
		g.notes = append(g.notes, g.p.mistake(spec.Name.Pos(), 0, "%s is left to its plan: it has methods of its own, or members that take the rules of reflection", spec.Name.Name))
	default:
		g.coded = append(g.coded, n)
	}
}

func isStruct(t types.Type) bool {
	_, ok := t.Underlying().(*types.Struct)
	return ok
}

var (
	goodPath = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$`)
	goodName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_]*$`)
)

// scanModel reads one struct.
func (g *plan) scanModel(spec *ast.TypeSpec, d *directive) {
	bad := func(pos token.Pos, format string, args ...any) {
		g.mistakes = append(g.mistakes, g.p.mistake(pos, 0, format, args...))
	}
	m := &modelPlan{name: spec.Name.Name, spec: spec}
	obj, _ := g.p.types.Scope().Lookup(m.name).(*types.TypeName)
	st, isStruct := spec.Type.(*ast.StructType)
	switch {
	case !isStruct || spec.Assign.IsValid():
		bad(spec.Name.Pos(), "//lithair:model is for struct types, and %s is none", m.name)
		return
	case spec.TypeParams != nil:
		bad(spec.Name.Pos(), "%s has type parameters: generated code is for one type", m.name)
		return
	case !spec.Name.IsExported():
		bad(spec.Name.Pos(), "%s is not exported: its collection could not be either", m.name)
		return
	case obj == nil || g.declarations(m.name) > 1:
		bad(spec.Name.Pos(), "%s is declared more than once", m.name)
		return
	}
	m.named, _ = obj.Type().(*types.Named)
	m.under, _ = obj.Type().Underlying().(*types.Struct)
	if m.named == nil || m.under == nil {
		bad(spec.Name.Pos(), "%s is no struct type", m.name)
		return
	}
	m.collection = plural(m.name)
	m.path = "/api/" + kebab(m.collection)
	for _, arg := range d.args {
		switch name, has := strings.CutPrefix(arg, "collection="); {
		case has && goodName.MatchString(name):
			m.collection = name
		case has:
			bad(d.pos, "collection=%s: want an exported Go name", name)
		case arg == "-":
			m.path = ""
		case goodPath.MatchString(arg):
			m.path = arg
		default:
			e := g.p.mistake(d.pos, 0, "%s is no argument of //lithair:model", arg)
			e.Allowed = []string{"a path such as /api/articles", "- for none", "collection=NAME"}
			g.mistakes = append(g.mistakes, e)
		}
	}
	before := len(g.mistakes)
	g.readModel(m, st)
	if len(g.mistakes) == before {
		g.models = append(g.models, m)
	}
}

// declarations counts the types of a name.
func (g *plan) declarations(name string) (n int) {
	for _, f := range g.p.files {
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				for _, s := range d.Specs {
					if s.(*ast.TypeSpec).Name.Name == name {
						n++
					}
				}
			}
		}
	}
	return n
}

// readModel has package model read the struct.
func (g *plan) readModel(m *modelPlan, st *ast.StructType) {
	s := &shaper{structs: map[reflect.Type]*types.Struct{}}
	m.whole = true
	lost := map[string]*ast.Field{} // fields whose types were not found
	fields := make([]*types.Var, m.under.NumFields())
	tags := make([]string, len(fields))
	for i := range fields {
		v := m.under.Field(i)
		fields[i], tags[i] = v, m.under.Tag(i)
		_, err := s.of(v.Type())
		if err == nil {
			continue
		}
		if !errors.Is(err, errUnknown) {
			g.mistakes = append(g.mistakes, g.p.mistake(v.Pos(), 0, "%s", last(err)))
			return
		}
		if f := fieldAt(st, v.Pos()); f != nil && v.Exported() {
			lost[v.Name()] = f
			g.notes = append(g.notes, g.p.mistake(f.Type.Pos(), 0, "the type of %s.%s was not found: validation and codecs of %s are left to reflection", m.name, v.Name(), m.name))
		}
		fields[i] = types.NewField(v.Pos(), v.Pkg(), v.Name(), lostType, false)
		m.whole = false
	}
	if !m.whole {
		m.under = types.NewStruct(fields, tags)
	}
	shape, err := s.of(m.under)
	if err != nil {
		g.mistakes = append(g.mistakes, g.p.mistake(m.spec.Name.Pos(), 0, "%s: %s", m.name, err))
		return
	}
	if m.model, err = model.OfStruct(m.name, shape); err != nil {
		g.tagMistakes(m, s, err, lost)
		if m.model == nil || m.model.Primary == nil || len(g.mistakes) > 0 {
			return
		}
	}
	if !g.storable(m) {
		return
	}
	m.print = model.Fingerprint(shape)
	for _, f := range m.model.Fields {
		m.fields = append(m.fields, newField(f, m.under, lost))
	}
}

// storable tries to bind every field to a schema, as the program does when it starts.
func (g *plan) storable(m *modelPlan) bool {
	before := len(g.mistakes)
	for _, f := range m.model.Fields {
		if err := bind(f.GoType); err != nil {
			v := newField(f, m.under, nil).v
			g.mistakes = append(g.mistakes, g.p.mistake(v.Pos(), 0, "%s.%s cannot be stored: %s", m.name, f.GoName, last(err)))
		}
	}
	return len(g.mistakes) == before
}

// last is an error without the names of where it came through.
func last(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}

// bind does that for a value on its own.
func bind(t reflect.Type) error {
	m, err := model.OfStruct("M", reflect.StructOf([]reflect.StructField{{Name: "ID", Type: reflect.TypeFor[int]()}, {Name: "V", Type: t}}))
	if err != nil {
		return err
	}
	s, _, err := m.Evolve(nil)
	if err == nil {
		_, err = m.Bind(s)
	}
	return err
}

// lostType stands for a type that was not found: it is stored by its text, as far as this
// package is concerned.
var lostType = func() types.Type {
	pkg := types.NewPackage("lost", "lost")
	t := types.NewNamed(types.NewTypeName(token.NoPos, pkg, "Lost", nil), types.NewStruct(nil, nil), nil)
	for _, name := range []string{"MarshalText", "UnmarshalText"} {
		recv := types.NewVar(token.NoPos, pkg, "", types.NewPointer(t))
		t.AddMethod(types.NewFunc(token.NoPos, pkg, name, types.NewSignatureType(recv, nil, nil, nil, nil, false)))
	}
	return t
}()

// newField finds the Go type of a stored field, through embedded structs.
func newField(f *model.Field, st *types.Struct, lost map[string]*ast.Field) *fieldPlan {
	out := &fieldPlan{Field: f}
	for i, n := range f.Index {
		out.v = st.Field(n)
		out.sel += "." + out.v.Name()
		if i+1 < len(f.Index) {
			st = out.v.Type().Underlying().(*types.Struct)
		}
	}
	out.sel = out.sel[1:]
	if l := lost[f.GoName]; l != nil && len(f.Index) == 1 {
		out.expr = l.Type
		return out
	}
	out.typ = out.v.Type()
	out.value = out.typ
	if p, ok := out.typ.Underlying().(*types.Pointer); ok {
		out.value = p.Elem()
	}
	return out
}

// fieldAt is the field whose name, or whose type where it is embedded, stands at pos.
func fieldAt(st *ast.StructType, pos token.Pos) *ast.Field {
	for _, f := range st.Fields.List {
		if f.Pos() <= pos && pos < f.End() {
			return f
		}
	}
	return nil
}

// tagMistakes puts what package model found at its place.
func (g *plan) tagMistakes(m *modelPlan, s *shaper, err error, lost map[string]*ast.Field) {
	for _, e := range flatten(err) {
		var tag *model.TagError
		if !errors.As(e, &tag) {
			g.mistakes = append(g.mistakes, g.p.mistake(m.spec.Name.Pos(), 0, "%s", e))
			continue
		}
		if lost[tag.Field] != nil {
			continue // it is judged by a type that is not its own
		}
		g.mistakes = append(g.mistakes, g.tagMistake(m, s, tag))
	}
}

// flatten takes joined errors apart.
func flatten(err error) (list []error) {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range j.Unwrap() {
			list = append(list, flatten(e)...)
		}
		return list
	}
	return []error{err}
}

func (g *plan) tagMistake(m *modelPlan, s *shaper, e *model.TagError) *Mistake {
	problem := e.Problem
	if strings.HasPrefix(problem, "binenc: ") {
		problem = last(errors.New(problem))
	}
	if e.Tag != "" {
		problem = "tag " + e.Tag + ": " + problem
	}
	pos, offset := m.spec.Name.Pos(), 0
	if f := g.astField(g.owner(m, s, e), e); f != nil {
		pos = f.Pos()
		if f.Tag != nil {
			if at := inTag(f.Tag.Value, e); at >= 0 {
				pos, offset = f.Tag.Pos(), at
			}
		}
	}
	out := g.p.mistake(pos, offset, "%s", problem)
	out.DidYouMean, out.Allowed = e.DidYouMean, e.Allowed
	return out
}

// owner is the struct that an error is about: the model, or one inside.
func (g *plan) owner(m *modelPlan, s *shaper, e *model.TagError) *types.Struct {
	for shape, st := range s.structs {
		if shape.String() == e.Type && st != m.under {
			return st
		}
	}
	return m.under
}

// astField finds the source of a field; nil when it is not in this package.
func (g *plan) astField(st *types.Struct, e *model.TagError) (found *ast.Field) {
	for i := range st.NumFields() {
		v := st.Field(i)
		if v.Name() != e.Field {
			if inner, ok := v.Type().Underlying().(*types.Struct); ok && v.Embedded() {
				if f := g.astField(inner, e); f != nil {
					return f
				}
			}
			continue
		}
		for _, f := range g.p.files {
			if f.FileStart <= v.Pos() && v.Pos() < f.FileEnd {
				ast.Inspect(f, func(n ast.Node) bool {
					if x, ok := n.(*ast.StructType); ok && x.Pos() <= v.Pos() && v.Pos() < x.End() {
						if at := fieldAt(x, v.Pos()); at != nil && (found == nil || e.Tag == "" || inTag(tagText(at), e) >= 0) {
							found = at
						}
					}
					return true
				})
			}
		}
		if found != nil && (e.Field != "_" || inTag(tagText(found), e) >= 0) {
			return found
		}
	}
	return found
}

func tagText(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	return f.Tag.Value
}

var quoted = regexp.MustCompile(`"([^"]+)"|^([a-z_]+=?[^ :]*)`)

// inTag finds what an error is about in the text of a tag: the word it names, or else the
// tag's key; -1 when neither is there.
func inTag(text string, e *model.TagError) int {
	at := strings.Index(text, e.Tag+`:"`)
	if at < 0 { // it may be a word
		return strings.Index(text, e.Tag)
	}
	for _, match := range quoted.FindAllStringSubmatch(e.Problem, -1) {
		word := match[1] + match[2]
		if name, _, has := strings.Cut(word, "("); has {
			word = name
		}
		if i := strings.Index(text[at+len(e.Tag):], word); i >= 0 {
			return at + len(e.Tag) + i
		}
	}
	return at
}

// checkNames refuses names that the package has already, or that two models would share.
func (g *plan) checkNames() {
	taken := map[string]string{}
	for _, m := range g.models {
		for _, name := range m.names() {
			if other := taken[name]; other != "" {
				g.mistakes = append(g.mistakes, g.p.mistake(m.spec.Name.Pos(), 0, "%s is generated for %s already: name the collection by collection=NAME", name, other))
			}
			taken[name] = m.name
		}
	}
	fields := map[string]bool{} // of Models
	for _, m := range g.models {
		fields[m.collection] = true
	}
	for _, a := range g.apis {
		if fields[a.name] {
			g.mistakes = append(g.mistakes, g.p.mistake(a.spec.Name.Pos(), 0, "%s is the name of a collection as well: name that by collection=NAME", a.name))
		}
	}
	if len(g.models)+len(g.apis) > 0 {
		taken["Register"], taken["Models"] = "Register", "Models"
	}
	names := make([]string, 0, len(taken))
	for name := range taken {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if obj := g.p.types.Scope().Lookup(name); obj != nil {
			g.mistakes = append(g.mistakes, g.p.mistake(obj.Pos(), 0, "%s is what generated code declares: rename this, or the collection by collection=NAME", name))
		}
	}
	for _, m := range g.models {
		for _, name := range []string{"GeneratedModel", "Violations"} {
			if obj, _, _ := types.LookupFieldOrMethod(m.named, true, g.p.types, name); obj != nil && obj.Pos().IsValid() {
				if owner := receiver(obj); owner == m.named || owner == nil {
					g.mistakes = append(g.mistakes, g.p.mistake(obj.Pos(), 0, "%s.%s is what generated code declares: rename this", m.name, name))
				}
			}
		}
	}
}

// receiver is the type that a method is declared on; nil for fields.
func receiver(obj types.Object) *types.Named {
	f, ok := obj.(*types.Func)
	if !ok {
		return nil
	}
	t := f.Signature().Recv().Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	n, _ := t.(*types.Named)
	return n
}

// names are the package-level names that a model takes.
func (m *modelPlan) names() []string {
	return []string{m.collection, m.name + "Field", m.name + "Created", m.name + "Updated", m.name + "Deleted", m.name + "Events"}
}
