package model

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lithair/lithair-go/binenc"
)

// Violation is a field that breaks one of its rules.
type Violation struct {
	Field   string // name of the top-level field
	Pointer string // JSON Pointer to the value (RFC 6901)
	Code    string // the rule's name
	Message string // what is wanted, to stand behind the field's name
}

// Rule is one rule of validate=, as it stands there.
type Rule struct {
	Name string
	Args []string // as written; that of regex without its quotes
}

// validator checks one value.
type validator struct {
	code  string
	check func(v reflect.Value) string // "" when fine
	rule  Rule
}

// validatorForms is what validate= may hold.
var validatorForms = []string{"email", "url", "uuid", "non_empty", "length(a,b)", "min_length(n)", "max_length(n)", "range(a,b)", "min(n)", "max(n)", `regex("...")`}

func validatorNames() (names []string) {
	for _, f := range validatorForms {
		names = append(names, ruleName(f))
	}
	return names
}

func parseValidator(rule string, f *Field) (validator, error) {
	name, args, err := parseArgs(rule)
	if err != nil {
		return validator{}, err
	}
	v, err := newValidator(name, args, f)
	v.rule = Rule{name, args}
	return v, err
}

func newValidator(name string, args []string, f *Field) (validator, error) {
	t := f.GoType
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch name {
	case "email", "url", "uuid", "regex":
		if t.Kind() != reflect.String {
			return validator{}, fmt.Errorf("%s is for strings, not for %s", name, t)
		}
		return textRule(name, args)
	case "non_empty", "length", "min_length", "max_length":
		switch t.Kind() {
		case reflect.String, reflect.Slice, reflect.Map:
		default:
			return validator{}, fmt.Errorf("%s is for strings, lists and maps, not for %s", name, t)
		}
		return lengthRule(name, args)
	case "range", "min", "max":
		return numberRule(name, args, t)
	}
	return validator{}, fmt.Errorf("unknown rule %q", name)
}

func textRule(name string, args []string) (validator, error) {
	if (name == "regex") != (len(args) == 1) {
		return validator{}, fmt.Errorf("%s: wrong number of arguments", name)
	}
	switch name {
	case "email":
		return textCheck(name, wantEmail, isEmail), nil
	case "url":
		return textCheck(name, wantURL, isURL), nil
	case "uuid":
		return textCheck(name, wantUUID, isUUID), nil
	}
	if len(args[0]) > 1000 {
		return validator{}, errors.New("regex: longer than 1000 bytes")
	}
	re, err := regexp.Compile(args[0])
	if err != nil {
		return validator{}, fmt.Errorf("regex: %w", err)
	}
	return textCheck(name, wantMatch+args[0], re.MatchString), nil
}

// What rules of text want.
const (
	wantUTF8  = "must be valid UTF-8"
	wantEmail = "must be an e-mail address"
	wantURL   = "must be an absolute URL with http or https"
	wantUUID  = "must be a UUID"
	wantMatch = "must match "
)

func textCheck(code, message string, ok func(string) bool) validator {
	return validator{code: code, check: func(v reflect.Value) string {
		if ok(v.String()) {
			return ""
		}
		return message
	}}
}

// isEmail accepts local@domain as a mailbox is written (RFC 5322 addr-spec), of at most
// 254 bytes, with a domain of two labels or more.
func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return false
	}
	local, domain, _ := strings.Cut(s, "@")
	if strings.HasPrefix(s, `"`) {
		i := strings.LastIndexByte(s, '@')
		local, domain = s[:i], s[i+1:]
	}
	return len(local) <= 64 && strings.Contains(domain, ".") && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".")
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && !strings.ContainsAny(s, " \t\r\n")
}

func isUUID(s string) bool {
	_, err := ParseID(s)
	return err == nil
}

func lengthRule(name string, args []string) (validator, error) {
	lo, hi := 1, -1
	switch {
	case name == "non_empty" && len(args) == 0:
	case name == "length" && len(args) == 2:
		a, err1 := strconv.Atoi(args[0])
		b, err2 := strconv.Atoi(args[1])
		if err1 != nil || err2 != nil || a < 0 || b < a {
			return validator{}, fmt.Errorf("length(%s): want two whole numbers, the smaller first", strings.Join(args, ","))
		}
		lo, hi = a, b
	case (name == "min_length" || name == "max_length") && len(args) == 1:
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 0 {
			return validator{}, fmt.Errorf("%s(%s): want a whole number", name, args[0])
		}
		if lo = n; name == "max_length" {
			lo, hi = 0, n
		}
	default:
		return validator{}, fmt.Errorf("%s: wrong number of arguments", name)
	}
	return validator{code: name, check: func(v reflect.Value) string {
		if v.Kind() == reflect.String {
			return lengthMessage(name, utf8.RuneCountInString(v.String()), lo, hi, "characters")
		}
		return lengthMessage(name, v.Len(), lo, hi, "elements")
	}}, nil
}

// lengthMessage says what is wrong with n of something; hi below 0 is no bound.
func lengthMessage(name string, n, lo, hi int, unit string) string {
	switch {
	case name == "non_empty" && n == 0:
		return "must not be empty"
	case n >= lo && (hi < 0 || n <= hi):
		return ""
	case hi < 0:
		return fmt.Sprintf("must have at least %d %s, and has %d", lo, unit, n)
	case lo == 0:
		return fmt.Sprintf("must have at most %d %s, and has %d", hi, unit, n)
	}
	return fmt.Sprintf("must have %d to %d %s, and has %d", lo, hi, unit, n)
}

// numberRule makes range, min and max. Bounds are compared in the field's own kind, so
// that no integer is rounded.
func numberRule(name string, args []string, t reflect.Type) (validator, error) {
	want := 1
	if name == "range" {
		want = 2
	}
	if len(args) != want {
		return validator{}, fmt.Errorf("%s: wrong number of arguments", name)
	}
	lo, hi := args[0], args[len(args)-1]
	var below, above func(v reflect.Value) bool
	var err error
	if name != "max" {
		if below, err = compare(t, lo, -1); err != nil {
			return validator{}, err
		}
	}
	if name != "min" {
		if above, err = compare(t, hi, 1); err != nil {
			return validator{}, err
		}
	}
	return validator{code: name, check: func(v reflect.Value) string {
		if (below == nil || !below(v)) && (above == nil || !above(v)) {
			return ""
		}
		return boundsMessage(name, lo, hi)
	}}, nil
}

// boundsMessage says what a number out of its bounds, as they are written, should be.
func boundsMessage(name, lo, hi string) string {
	switch name {
	case "min":
		return "must be at least " + lo
	case "max":
		return "must be at most " + hi
	}
	return "must lie between " + lo + " and " + hi
}

// compare returns a check for value < bound (sign -1) or value > bound (sign 1); NaN is
// always out.
func compare(t reflect.Type, bound string, sign int) (func(reflect.Value) bool, error) {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		b, err := strconv.ParseInt(bound, 10, 64)
		return func(v reflect.Value) bool { return sign < 0 && v.Int() < b || sign > 0 && v.Int() > b }, err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b, err := strconv.ParseUint(bound, 10, 64)
		return func(v reflect.Value) bool { return sign < 0 && v.Uint() < b || sign > 0 && v.Uint() > b }, err
	case reflect.Float32, reflect.Float64:
		b, err := strconv.ParseFloat(bound, 64)
		return func(v reflect.Value) bool { return sign < 0 && !(v.Float() >= b) || sign > 0 && !(v.Float() <= b) }, err
	}
	return nil, fmt.Errorf("bounds are for numbers, not for %s", t)
}

// nested holds the fields of a struct inside a model that have rules, however deep in
// lists, maps and pointers it lies.
type nested struct{ fields []*Field }

// nestedOf reads the rules of the struct that t holds; nil when there is none.
func nestedOf(t reflect.Type) (*nested, error) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType {
		return nil, nil
	}
	m := &Model{Name: t.Name(), Type: t}
	var errs []error
	m.collect(t, nil, &errs)
	if m.Lifecycle != (Lifecycle{}) {
		errs = append(errs, &TagError{Type: t.String(), Field: "_", Problem: "the tags of a blank field are carried out for a model itself, not for a struct inside"})
	}
	for _, tag := range m.tags {
		errs = append(errs, &TagError{Type: t.String(), Field: tag.field, Tag: "index", Problem: "is carried out for the fields of a model itself, not for those of a struct inside"})
	}
	for _, f := range m.Fields {
		if word := f.topOnly(); word != "" {
			errs = append(errs, &TagError{Type: t.String(), Field: f.GoName, Tag: word, Problem: "is carried out for the fields of a model itself, not for those of a struct inside"})
		}
	}
	return &nested{fields: m.Fields}, errors.Join(errs...)
}

// Nested returns the fields of the struct that f holds, however deep in lists, maps and
// pointers it lies; nil when there is none.
func (f *Field) Nested() []*Field {
	if f.nested == nil {
		return nil
	}
	return f.nested.fields
}

// topOnly names a word of the field's tags that has no effect inside of a nested struct.
func (f *Field) topOnly() string {
	for _, x := range []struct {
		on   bool
		word string
	}{
		{f.Primary, "primary_key"}, {f.Unique, "unique"}, {f.Indexed, "indexed"}, {f.FK != "", "fk"}, {f.OnDelete != "", "on_delete"}, {f.Was != "", "was"},
		{f.retention != 0, "retention"}, {f.Created, "created"}, {f.Updated, "updated"}, {f.Hidden, "hidden"}, {f.Immutable, "immutable"},
	} {
		if x.on {
			return x.word
		}
	}
	return ""
}

// Validate returns every rule that *ptr breaks, nested structs included; nil when it
// breaks none. ptr is a *T of the model's type.
func (m *Model) Validate(ptr any) []Violation {
	if m.generated {
		return ptr.(interface{ Violations() []Violation }).Violations()
	}
	return validateFields(nil, m.Fields, reflect.ValueOf(ptr).Elem(), "", "")
}

func validateFields(out []Violation, fields []*Field, v reflect.Value, top, pointer string) []Violation {
	for _, f := range fields {
		if len(f.validators) == 0 && f.nested == nil && f.Type.Kind != binenc.KindString {
			continue
		}
		fv := v.FieldByIndex(f.Index)
		name, at := top, pointer+"/"+escapePointer(f.Name)
		if name == "" {
			name = f.Name
		}
		if fv.Kind() == reflect.Pointer {
			if fv.IsNil() {
				continue
			}
			fv = fv.Elem()
		}
		if fv.Kind() == reflect.String && !utf8.ValidString(fv.String()) {
			out = append(out, Violation{name, at, "utf8", wantUTF8})
		}
		for _, r := range f.validators {
			if msg := r.check(fv); msg != "" {
				out = append(out, Violation{name, at, r.code, msg})
			}
		}
		if f.nested != nil {
			out = validateNested(out, f.nested, fv, name, at)
		}
	}
	return out
}

func validateNested(out []Violation, n *nested, v reflect.Value, top, at string) []Violation {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return out
		}
		return validateNested(out, n, v.Elem(), top, at)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			out = validateNested(out, n, v.Index(i), top, at+"/"+strconv.Itoa(i))
		}
		return out
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, k := range keys {
			out = validateNested(out, n, v.MapIndex(k), top, at+"/"+escapePointer(fmt.Sprint(k)))
		}
		return out
	}
	return validateFields(out, n.fields, v, top, at)
}

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}
