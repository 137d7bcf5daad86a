package gen

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lithair/lithair-go/jsonx"
)

// member is a field of a struct as JSON has it.
type member struct {
	name      string
	sel       string
	t         types.Type
	omitEmpty bool
	omitZero  bool
	describes string // as jsonx.Members does
}

// jsonCoder writes the JSON code of struct types, those inside of others too.
type jsonCoder struct {
	e    *emitter
	todo []*types.Named
	done map[*types.Named]bool
}

// want says whether a type has generated code, which is then written some time.
func (j *jsonCoder) want(n *types.Named) bool {
	if !j.can(n) {
		return false
	}
	if !j.done[n] {
		j.done[n] = true
		j.todo = append(j.todo, n)
	}
	return true
}

// can says whether code can be generated for a type.
func (j *jsonCoder) can(n *types.Named) bool {
	st, ok := n.Underlying().(*types.Struct)
	if !ok || n.Obj().Pkg() != j.e.p.types || n.TypeParams() != nil || n.Obj().Parent() != j.e.p.types.Scope() || hasJSONMethod(n) {
		return false
	}
	for _, name := range []string{"AppendJSONX", "GeneratedJSON"} {
		if obj, _, _ := types.LookupFieldOrMethod(n, true, j.e.p.types, name); obj != nil {
			return false
		}
	}
	_, ok = members(st)
	return ok
}

// hasJSONMethod says that a type decides by itself how it is written.
func hasJSONMethod(t types.Type) bool {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	if _, ok := t.Underlying().(*types.Interface); ok {
		return false
	}
	if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil {
		if k := named[n.Obj().Pkg().Path()+"."+n.Obj().Name()]; k != nil {
			return reflectMethod(k)
		}
	}
	set := types.NewMethodSet(types.NewPointer(t))
	for _, name := range []string{"AppendJSON", "MarshalJSON", "MarshalText"} {
		if set.Lookup(nil, name) != nil {
			return true
		}
	}
	return false
}

// reflectMethod is hasJSONMethod of a type that this program has.
func reflectMethod(t reflect.Type) bool {
	return strings.Contains(jsonx.Members(reflect.StructOf([]reflect.StructField{{Name: "V", Type: t}}))[0], "|m|")
}

// members lists the members of a struct; ok is false where that takes rules that are not
// worth to be here twice.
func members(st *types.Struct) (list []member, ok bool) {
	for i := range st.NumFields() {
		v, tag := st.Field(i), reflect.StructTag(st.Tag(i)).Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if tag == "-" || v.Name() == "_" || !v.Exported() && !v.Embedded() {
			continue
		}
		if v.Embedded() {
			inner, is := v.Type().Underlying().(*types.Struct)
			if !is || name != "" || hasJSONMethod(v.Type()) {
				return nil, false
			}
			more, ok := members(inner)
			if !ok {
				return nil, false
			}
			for _, m := range more {
				m.sel = v.Name() + "." + m.sel
				list = append(list, m)
			}
			continue
		}
		if name == "" {
			name = v.Name()
		}
		m := member{name: name, sel: v.Name(), t: v.Type()}
		for word := range strings.SplitSeq(options, ",") {
			switch word {
			case "omitempty":
				m.omitEmpty = true
			case "omitzero":
				m.omitZero = true
			case "string":
				return nil, false
			}
		}
		if m.describes, ok = m.describe(); !ok || !m.known() || strings.ContainsAny(name, "\"\\<>&") {
			return nil, false
		}
		list = append(list, m)
	}
	seen := map[string]bool{}
	for _, m := range list {
		if seen[m.name] {
			return nil, false
		}
		seen[m.name] = true
	}
	return list, true
}

// describe is a line of jsonx.Members.
func (m *member) describe() (string, bool) {
	flags := ""
	if m.omitEmpty {
		flags += "e"
	}
	if m.omitZero {
		flags += "z"
	}
	if hasJSONMethod(m.t) {
		flags += "m"
	}
	name, kind, ok := reflectName(m.t)
	return m.name + "|" + flags + "|" + kind + "|" + name, ok
}

// reflectName is what package reflect calls a type, and its kind.
func reflectName(t types.Type) (name, kind string, ok bool) {
	elem := func(format string, t types.Type, kind string) (string, string, bool) {
		s, _, ok := reflectName(t)
		return fmt.Sprintf(format, s), kind, ok
	}
	switch u := types.Unalias(t).(type) {
	case *types.Basic:
		if r := basics[u.Kind()]; r != nil {
			return r.String(), r.Kind().String(), true
		}
	case *types.Named:
		if u.TypeArgs() != nil || u.Obj().Pkg() == nil {
			return "", "", false
		}
		if r := named[u.Obj().Pkg().Path()+"."+u.Obj().Name()]; r != nil {
			return r.String(), r.Kind().String(), true
		}
		_, kind, ok := reflectName(u.Underlying())
		return u.Obj().Pkg().Name() + "." + u.Obj().Name(), kind, ok
	case *types.Pointer:
		return elem("*%s", u.Elem(), "ptr")
	case *types.Slice:
		return elem("[]%s", u.Elem(), "slice")
	case *types.Array:
		return elem("["+strconv.FormatInt(u.Len(), 10)+"]%s", u.Elem(), "array")
	case *types.Map:
		key, _, ok := reflectName(u.Key())
		if ok {
			return elem("map["+key+"]%s", u.Elem(), "map")
		}
	case *types.Interface:
		return "interface {}", "interface", u.Empty()
	case *types.Struct:
		return "struct {}", "struct", true // of a named type: its name counts
	}
	return "", "", false
}

// known says that the test of omitempty and omitzero can be written down.
func (m *member) known() bool {
	_, ok := m.present("v")
	return ok
}

// present is the condition under which a member is written; "" is always.
func (m *member) present(v string) (cond string, ok bool) {
	x := v + "." + m.sel
	var parts []string
	if m.omitEmpty {
		switch u := m.t.Underlying().(type) {
		case *types.Basic:
			parts = append(parts, nonZero(x, u))
		case *types.Slice, *types.Map:
			parts = append(parts, "len("+x+") > 0")
		case *types.Pointer, *types.Interface:
			parts = append(parts, x+" != nil")
		case *types.Struct:
		default:
			return "", false
		}
	}
	if m.omitZero {
		zero, ok := m.zero(x)
		if !ok {
			return "", false
		}
		parts = append(parts, zero...)
	}
	return strings.Join(slices.Compact(parts), " && "), true
}

// zero are the conditions under which omitzero leaves a member in: that it is not the zero
// value of its type, or what its method IsZero says.
func (m *member) zero(x string) (parts []string, ok bool) {
	elem, pointer := m.t, false
	if p, is := m.t.Underlying().(*types.Pointer); is {
		elem, pointer = p.Elem(), true
		parts = append(parts, x+" != nil")
	}
	name, _, _ := reflectName(elem)
	switch u := m.t.Underlying().(type) {
	case *types.Basic:
		return []string{nonZero(x, u)}, !lookupMethod(m.t, "IsZero")
	case *types.Slice, *types.Map, *types.Interface:
		return []string{x + " != nil"}, !lookupMethod(m.t, "IsZero")
	}
	switch {
	case name == "time.Time" || name == "model.ID":
		return append(parts, "!"+x+".IsZero()"), true
	case pointer:
		return parts, name != "binenc.Decimal" && !lookupMethod(elem, "IsZero")
	}
	return nil, false
}

func lookupMethod(t types.Type, name string) bool {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	return types.NewMethodSet(types.NewPointer(t)).Lookup(nil, name) != nil
}

func nonZero(x string, b *types.Basic) string {
	switch {
	case b.Info()&types.IsString != 0:
		return x + ` != ""`
	case b.Info()&types.IsBoolean != 0:
		return x
	}
	return x + " != 0"
}

// all writes what was wanted, and what that wants.
func (j *jsonCoder) all() {
	for len(j.todo) > 0 {
		n := j.todo[0]
		j.todo = j.todo[1:]
		j.typ(n)
	}
}

// typ writes the two methods of one type.
func (j *jsonCoder) typ(n *types.Named) {
	list, _ := members(n.Underlying().(*types.Struct))
	name := n.Obj().Name()
	j.e.doc("GeneratedJSON says what members of %s AppendJSONX was generated for.", name)
	j.e.f("func (v *%s) GeneratedJSON() (*%s, []string) {\nreturn nil, []string{\n", name, name)
	for _, m := range list {
		j.e.f("%s,\n", strconv.Quote(m.describes))
	}
	j.e.f("}\n}\n\n")
	w := &jsonWriter{j: j}
	w.object(list)
	j.e.doc("AppendJSONX appends the value as JSON; see [jsonx.Coder].")
	j.e.f("func (v *%s) AppendJSONX(b []byte, depth int) (_ []byte, err error) {\n%s}\n\n", name, w.code.String())
}

// jsonWriter writes the statements of one AppendJSONX. Text that is known beforehand is
// gathered and appended at once.
type jsonWriter struct {
	j       *jsonCoder
	code    strings.Builder
	pending string
	loops   int
}

func (w *jsonWriter) f(format string, args ...any) { fmt.Fprintf(&w.code, format, args...) }

// flush appends the text that waits, with more behind it.
func (w *jsonWriter) flush(more string) {
	for _, piece := range pieces(w.pending + more) {
		w.f("b = append(b, %s...)\n", literal(piece))
	}
	w.pending = ""
}

// pieces cuts text into what the compiler moves by itself, between characters: to append a constant of more than
// sixteen bytes it calls memmove, which takes longer than all else about a short member.
func pieces(text string) (list []string) {
	const moved = 16
	for len(text) > moved {
		n := moved
		for !utf8.RuneStart(text[n]) {
			n--
		}
		list = append(list, text[:n])
		text = text[n:]
	}
	if text != "" {
		list = append(list, text)
	}
	return list
}

func literal(s string) string {
	if strings.ContainsAny(s, "`\n") {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// object writes all members between braces.
func (w *jsonWriter) object(list []member) {
	jsonxName := w.j.e.pkg(framework + "/jsonx")
	w.f("if depth <= 0 {\nreturn b, %s.TooDeep(v)\n}\n", jsonxName)
	always := slices.IndexFunc(list, func(m member) bool { c, _ := m.present("v"); return c == "" })
	if len(list) == 0 {
		w.f("return append(b, \"{}\"...), nil\n")
		return
	}
	if always != 0 {
		w.f("start := len(b)\n")
	}
	for i := range list {
		m := &list[i]
		key := `,"` + m.name + `":`
		if i == 0 && always == 0 {
			key = "{" + key[1:]
		}
		cond, _ := m.present("v")
		if cond == "" {
			w.pending += key
			w.value("v."+m.sel, m.t, 1)
			continue
		}
		w.flush("")
		w.f("if %s {\n", cond)
		w.pending = key
		w.present("v."+m.sel, m.t, 1)
		w.flush("")
		w.f("}\n")
	}
	if always < 0 {
		w.f("if len(b) == start {\nreturn append(b, \"{}\"...), nil\n}\n")
	}
	w.flush("}")
	if always != 0 {
		w.f("b[start] = '{' // for the first comma\n")
	}
	w.f("return b, nil\n")
}

// try writes a statement that may fail.
func (w *jsonWriter) try(call string) {
	w.f("if b, err = %s; err != nil {\nreturn b, err\n}\n", call)
}

// value writes x, with depth-level levels left.
func (w *jsonWriter) value(x string, t types.Type, level int) {
	jsonxName := w.j.e.pkg(framework + "/jsonx")
	c := &checks{e: w.j.e}
	name, _, _ := reflectName(t)
	u := t.Underlying()
	basic, isBasic := u.(*types.Basic)
	nested := func() { w.nested(x, level) }
	switch {
	case name == "time.Time":
		w.flush("")
		w.try(jsonxName + ".AppendTime(b, " + x + ")")
	case name == "model.ID":
		w.pending += `"`
		w.flush("")
		w.try(strings.TrimPrefix(x, "*") + ".AppendText(b)")
		w.pending = `"`
	case isInterface(u):
		w.choice(x+" == nil", "null", func() {
			w.flush("")
			w.try(fmt.Sprintf("%s.AppendNested(b, %s, depth-%d)", jsonxName, x, level))
		})
	case isPointer(u) && !isPointer(u.(*types.Pointer).Elem().Underlying()) && !isInterface(u.(*types.Pointer).Elem().Underlying()):
		w.choice(x+" == nil", "null", func() { w.value(star(x), u.(*types.Pointer).Elem(), level) })
	case hasJSONMethod(t):
		nested()
	case isBasic && basic.Info()&types.IsString != 0 && !isNumberLike(t):
		w.flush("")
		w.try(jsonxName + ".AppendQuote(b, " + c.as("string", x, t) + ")")
	case isBasic && basic.Info()&types.IsBoolean != 0:
		w.choice(x, "true", func() { w.pending += "false" })
	case isBasic && basic.Info()&types.IsUnsigned != 0:
		w.flush("")
		w.f("b = %s.AppendUint(b, %s)\n", jsonxName, c.as("uint64", x, t))
	case isBasic && basic.Info()&types.IsInteger != 0:
		w.flush("")
		w.f("b = %s.AppendInt(b, %s)\n", jsonxName, c.as("int64", x, t))
	case isBasic && basic.Kind() == types.Float64:
		w.flush("")
		w.try(jsonxName + ".AppendFloat64(b, " + c.as("float64", x, t) + ")")
	case isBasic && basic.Kind() == types.Float32:
		w.flush("")
		w.try(jsonxName + ".AppendFloat32(b, " + c.as("float32", x, t) + ")")
	case w.coded(t):
		w.flush("")
		w.try(fmt.Sprintf("%s.AppendJSONX(b, depth-%d)", strings.TrimPrefix(x, "*"), level))
	case isList(u):
		w.list(x, u.(*types.Slice).Elem(), level)
	default:
		nested()
	}
}

// present writes x, which is not nil where it could be.
func (w *jsonWriter) present(x string, t types.Type, level int) {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		if !isPointer(u.Elem().Underlying()) && !isInterface(u.Elem().Underlying()) {
			w.value(star(x), u.Elem(), level)
			return
		}
	case *types.Slice:
		if isList(u) && !hasJSONMethod(t) {
			w.elements(x, u.Elem(), level)
			return
		}
	}
	w.value(x, t, level)
}

// nested leaves x to its plan.
func (w *jsonWriter) nested(x string, level int) {
	w.flush("")
	at := "&" + x
	if strings.HasPrefix(x, "*") {
		at = x[1:]
	}
	w.try(fmt.Sprintf("%s.AppendNested(b, %s, depth-%d)", w.j.e.pkg(framework+"/jsonx"), at, level))
}

// star is what x points to.
func star(x string) string {
	if strings.HasPrefix(x, "*") {
		return "*(" + x + ")"
	}
	return "*" + x
}

// choice writes text under a condition, and something else otherwise.
func (w *jsonWriter) choice(cond, text string, otherwise func()) {
	before := w.pending
	w.f("if %s {\n", cond)
	w.flush(text)
	w.f("} else {\n")
	w.pending = before
	otherwise()
	w.flush("")
	w.f("}\n")
}

func (w *jsonWriter) coded(t types.Type) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && w.j.want(n)
}

func isPointer(t types.Type) bool   { _, ok := t.(*types.Pointer); return ok }
func isInterface(t types.Type) bool { i, ok := t.(*types.Interface); return ok && i.Empty() }

// isList says that t is a slice that is written as an array.
func isList(t types.Type) bool {
	s, ok := t.(*types.Slice)
	if !ok {
		return false
	}
	b, ok := s.Elem().Underlying().(*types.Basic)
	return !ok || b.Kind() != types.Uint8
}

// isNumberLike says that a string type keeps numbers.
func isNumberLike(t types.Type) bool {
	return lookupMethod(t, "Float64") || lookupMethod(t, "Int64") || strings.HasSuffix(t.String(), "jsonx.Number")
}

// list writes a slice.
func (w *jsonWriter) list(x string, elem types.Type, level int) {
	if strings.HasPrefix(x, "*") {
		x = "(" + x + ")"
	}
	w.choice(x+" == nil", "null", func() { w.elements(x, elem, level) })
}

// elements writes a slice that is not nil.
func (w *jsonWriter) elements(x string, elem types.Type, level int) {
	w.loops++
	i := fmt.Sprintf("i%d", w.loops)
	w.f("if depth <= %d {\nreturn b, %s.TooDeep(v)\n}\n", level, w.j.e.pkg(framework+"/jsonx"))
	w.flush("[")
	w.f("for %s := range %s {\nif %s > 0 {\nb = append(b, ',')\n}\n", i, x, i)
	w.value(x+"["+i+"]", elem, level+1)
	w.flush("")
	w.f("}\n")
	w.pending = "]"
}
