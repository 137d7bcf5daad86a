package gen

import (
	"fmt"
	"go/types"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/model"
)

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

// generated writes the method by which package model knows generated code.
func (e *emitter) generated(m *modelPlan) {
	e.doc("GeneratedModel says what state of %s this code was generated from.", m.name)
	e.f("func (v *%s) GeneratedModel() (*%s, string) { return nil, %q }\n\n", m.name, m.name, m.print)
}

// checks writes the statements that check a struct's fields.
type checks struct {
	e        *emitter
	owner    string
	patterns []string // declarations of regular expressions
	loops    int      // for names of their variables
}

// violations writes the validation of a model.
func (e *emitter) violations(m *modelPlan) {
	mod := e.pkg(framework + "/model")
	c := &checks{e: e, owner: m.name}
	var code strings.Builder
	for _, f := range m.fields {
		code.WriteString(c.field("c", "v."+f.sel, f.Field, f.typ))
	}
	for _, p := range c.patterns {
		e.f("%s\n", p)
	}
	e.doc("Violations returns every rule of its tags that the record breaks; nil when it breaks none.")
	e.f("func (v *%s) Violations() (list []%s.Violation) {\n", m.name, mod)
	if code.Len() > 0 {
		e.f("c := %s.NewChecks(&list)\n%s", mod, code.String())
	}
	e.f("return list\n}\n\n")
}

// field returns the checks of one field whose value is x, to be noted in the variable into.
func (c *checks) field(into, x string, f *model.Field, t types.Type) string {
	inner := t
	pointer := false
	if p, ok := t.Underlying().(*types.Pointer); ok {
		pointer, inner = true, p.Elem()
	}
	value := x
	if pointer {
		value = "*" + x
	}
	var code strings.Builder
	if isString(inner) {
		fmt.Fprintf(&code, "%s.Text(%q, %s)\n", into, f.Name, c.as("string", value, inner))
	}
	for i := range f.Rules {
		code.WriteString(c.rule(into, value, f.Name, &f.Rules[i], inner))
	}
	if nested := f.Nested(); nested != nil {
		code.WriteString(c.nested(into+".Field("+strconv.Quote(f.Name)+")", value, nested, inner))
	}
	if pointer && code.Len() > 0 {
		return fmt.Sprintf("if %s != nil {\n%s}\n", x, code.String())
	}
	return code.String()
}

// nested returns the checks of what lies in structs inside of x. Those of structs of this
// package have functions of their own; others, and what lies in maps, are left to reflection.
func (c *checks) nested(into, x string, fields []*model.Field, t types.Type) string {
	if !checked(fields) && !isTextual(core(t)) {
		return ""
	}
	if code, ok := c.inside(into, x, fields, t); ok {
		return code
	}
	if strings.HasPrefix(x, "*") {
		return fmt.Sprintf("%s.Value(%s)\n", into, x[1:])
	}
	return fmt.Sprintf("%s.Value(&%s)\n", into, x)
}

// core is what t holds in lists, maps and pointers.
func core(t types.Type) types.Type {
	for {
		switch u := t.(type) {
		case *types.Pointer:
			t = u.Elem()
		case *types.Slice:
			t = u.Elem()
		case *types.Array:
			t = u.Elem()
		case *types.Map:
			t = u.Elem()
		default:
			return t
		}
	}
}

// checked says that there is something to check.
func checked(fields []*model.Field) bool {
	for _, f := range fields {
		t := f.GoType
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.String || len(f.Rules) > 0 || checked(f.Nested()) {
			return true
		}
	}
	return false
}

func (c *checks) inside(into, x string, fields []*model.Field, t types.Type) (code string, ok bool) {
	if n, is := types.Unalias(t).(*types.Named); is {
		if _, is := n.Underlying().(*types.Struct); !is || n.Obj().Pkg() != c.e.p.types || n.TypeArgs() != nil || isTextual(n) {
			return "", false
		}
		at := "&" + x
		if strings.HasPrefix(x, "*") {
			at = x[1:]
		}
		return fmt.Sprintf("%s(%s, %s)\n", c.function(n, fields), at, into), true
	}
	var head string
	switch u := t.(type) {
	case *types.Pointer:
		if code, ok = c.inside(into, "*"+x, fields, u.Elem()); !ok || strings.HasPrefix(x, "*") {
			return "", false
		}
		return fmt.Sprintf("if %s != nil {\n%s}\n", x, code), true
	case *types.Slice:
		t = u.Elem()
	case *types.Array:
		t = u.Elem()
	default:
		return "", false
	}
	c.loops++
	i := fmt.Sprintf("i%d", c.loops)
	if strings.HasPrefix(x, "*") {
		x = "(" + x + ")"
	}
	head = fmt.Sprintf("for %s := range %s {\n", i, x)
	code, ok = c.inside(into+".Element("+i+")", x+"["+i+"]", fields, t)
	return head + code + "}\n", ok
}

// function returns the name of the function that checks a struct inside of others, and
// writes it when it is the first to ask.
func (c *checks) function(n *types.Named, fields []*model.Field) string {
	name := c.e.nested[n]
	if name != "" {
		return name
	}
	for name = "check" + n.Obj().Name(); c.e.taken(name); {
		name += "_"
	}
	c.e.nested[n] = name
	mod := c.e.pkg(framework + "/model")
	inner := &checks{e: c.e, owner: n.Obj().Name()}
	var code strings.Builder
	for _, f := range fields {
		p := newField(f, n.Underlying().(*types.Struct), nil)
		code.WriteString(inner.field("c", "v."+p.sel, f, p.typ))
	}
	for _, p := range inner.patterns {
		c.e.f("%s\n", p)
	}
	c.e.doc("%s notes what rules of its tags a %s breaks.", name, n.Obj().Name())
	c.e.f("func %s(v *%s, c %s.Checks) {\n%s}\n\n", name, n.Obj().Name(), mod, code.String())
	return name
}

// as writes a conversion where the type is not that basic one already.
func (c *checks) as(basic, value string, t types.Type) string {
	if b, ok := types.Unalias(t).(*types.Basic); ok && b.Name() == basic {
		return value
	}
	return basic + "(" + value + ")"
}

// rule returns the check of one rule.
func (c *checks) rule(into, value, name string, r *model.Rule, t types.Type) string {
	text := func() string { return c.as("string", value, t) }
	switch r.Name {
	case "email", "url", "uuid":
		method := map[string]string{"email": "Email", "url": "URL", "uuid": "UUID"}[r.Name]
		return fmt.Sprintf("%s.%s(%q, %s)\n", into, method, name, text())
	case "regex":
		pattern := fmt.Sprintf("pattern%s%d", c.owner, len(c.patterns)+1)
		c.patterns = append(c.patterns, fmt.Sprintf("var %s = %s.MustCompile(%q)\n", pattern, c.e.pkg("regexp"), r.Args[0]))
		return fmt.Sprintf("%s.Match(%q, %q, %s.MatchString(%s))\n", into, name, r.Args[0], pattern, text())
	case "range", "min", "max":
		return c.bounds(into, value, name, r, t)
	}
	lo, hi := "1", "-1"
	switch r.Name {
	case "length":
		lo, hi = r.Args[0], r.Args[1]
	case "min_length":
		lo = r.Args[0]
	case "max_length":
		lo, hi = "0", r.Args[0]
	}
	n, unit := "len("+value+")", "elements"
	if isString(t) {
		n, unit = c.e.pkg("unicode/utf8")+".RuneCountInString("+text()+")", "characters"
	}
	return fmt.Sprintf("%s.Length(%q, %q, %s, %s, %s, %q)\n", into, name, r.Name, n, plain(lo), plain(hi), unit)
}

// plain writes a number without what Go would read otherwise, such as leading zeros.
func plain(n string) string {
	if v, err := strconv.Atoi(n); err == nil {
		return strconv.Itoa(v)
	}
	return n
}

// bounds returns the check of a number. Bounds are compared in the field's own kind; a NaN
// is within none.
func (c *checks) bounds(into, value, name string, r *model.Rule, t types.Type) string {
	lo, hi := r.Args[0], r.Args[len(r.Args)-1]
	b := t.Underlying().(*types.Basic)
	wide := "int64"
	switch {
	case b.Info()&types.IsFloat != 0:
		wide = "float64"
	case b.Info()&types.IsUnsigned != 0:
		wide = "uint64"
	}
	x := c.as(wide, value, t)
	var parts []string
	if r.Name != "max" {
		parts = append(parts, x+" >= "+c.number(wide, lo))
	}
	if r.Name != "min" {
		parts = append(parts, x+" <= "+c.number(wide, hi))
	}
	return fmt.Sprintf("%s.Bounds(%q, %q, %s, %q, %q)\n", into, name, r.Name, strings.Join(parts, " && "), lo, hi)
}

// number writes a bound as a Go literal; package model has read it already.
func (c *checks) number(wide, text string) string {
	switch wide {
	case "float64":
		f, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil:
		case f != f:
			return c.e.pkg("math") + ".NaN()"
		case f-f != 0:
			return fmt.Sprintf("%s.Inf(%d)", c.e.pkg("math"), int(math.Copysign(1, f)))
		default:
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	case "uint64":
		n, err := strconv.ParseUint(text, 10, 64)
		if err == nil {
			return strconv.FormatUint(n, 10)
		}
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil {
			return strconv.FormatInt(n, 10)
		}
	}
	return text
}
