package model

import (
	"reflect"
	"strconv"
	"sync"
	"unicode/utf8"
)

// Checks gathers what is wrong with a value: generated code states the rules of a struct
// with it, see [Model.Validate]. It is for one goroutine.
//
//	var list []model.Violation
//	c := model.NewChecks(&list)
//	c.Text("slug", v.Slug)
//	c.Length("slug", "length", utf8.RuneCountInString(v.Slug), 1, 80, "characters")
type Checks struct {
	list    *[]Violation
	top, at string // the top-level field that a nested struct is in, and the pointer to it
}

// NewChecks returns checks that append to list.
func NewChecks(list *[]Violation) Checks { return Checks{list: list} }

// Add notes that a field breaks a rule.
func (c Checks) Add(name, rule, message string) {
	top := c.top
	if top == "" {
		top = name
	}
	*c.list = append(*c.list, Violation{top, c.at + "/" + escapePointer(name), rule, message})
}

// Text holds that s is UTF-8.
func (c Checks) Text(name, s string) {
	if !utf8.ValidString(s) {
		c.Add(name, "utf8", wantUTF8)
	}
}

// Email, URL and UUID hold that s is one.
func (c Checks) Email(name, s string) { c.text(name, "email", wantEmail, isEmail(s)) }

// URL is for the rule of that name.
func (c Checks) URL(name, s string) { c.text(name, "url", wantURL, isURL(s)) }

// UUID is for the rule of that name.
func (c Checks) UUID(name, s string) { c.text(name, "uuid", wantUUID, isUUID(s)) }

// Match notes a text that does not match the expression.
func (c Checks) Match(name, expression string, matches bool) {
	c.text(name, "regex", wantMatch+expression, matches)
}

func (c Checks) text(name, rule, want string, ok bool) {
	if !ok {
		c.Add(name, rule, want)
	}
}

// Length holds that n, a number of characters or elements, is from lo to hi; hi below 0 is
// no bound.
func (c Checks) Length(name, rule string, n, lo, hi int, unit string) {
	if message := lengthMessage(rule, n, lo, hi, unit); message != "" {
		c.Add(name, rule, message)
	}
}

// Bounds notes a number that is not within the bounds, which are given as they are written.
func (c Checks) Bounds(name, rule string, within bool, lo, hi string) {
	if !within {
		c.Add(name, rule, boundsMessage(rule, lo, hi))
	}
}

// Field returns the checks of a struct in a field, or in what it holds.
func (c Checks) Field(name string) Checks {
	if c.top == "" {
		c.top = name
	}
	c.at += "/" + escapePointer(name)
	return c
}

// Element returns the checks of an element of a list.
func (c Checks) Element(i int) Checks {
	c.at += "/" + strconv.Itoa(i)
	return c
}

// nesteds are the rules of types that Value was called for: reflect.Type -> *nested.
var nesteds sync.Map

// Value notes what is wrong with structs in *ptr, by reflection: for types of other packages.
func (c Checks) Value(ptr any) {
	v := reflect.ValueOf(ptr).Elem()
	have, ok := nesteds.Load(v.Type())
	if !ok {
		n, err := nestedOf(v.Type())
		if err != nil || n == nil {
			return // a model with such a field is refused, and one without rules has none
		}
		have, _ = nesteds.LoadOrStore(v.Type(), n)
	}
	*c.list = validateNested(*c.list, have.(*nested), v, c.top, c.at)
}

// RulesOf returns the rules of the fields of a struct that is no model, by Go name; the error
// is what is wrong with its tags.
func RulesOf(t reflect.Type) (map[string][]Rule, error) {
	n, err := nestedOf(t)
	if err != nil || n == nil {
		return nil, err
	}
	rules := map[string][]Rule{}
	for _, f := range n.fields {
		rules[f.GoName] = f.Rules
	}
	return rules, nil
}
