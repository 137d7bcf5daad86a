package model

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TagError is a mistake in what a struct says about itself.
type TagError struct {
	Type, Field string
	Tag         string // the key of the struct tag: lithair, http...
	Problem     string
	Allowed     []string
	DidYouMean  string
}

// Error names type, field and tag, says what is wrong and what would be right.
func (e *TagError) Error() string {
	var b strings.Builder
	b.WriteString("model: " + e.Type)
	if e.Field != "" {
		b.WriteString("." + e.Field)
	}
	if e.Tag != "" {
		b.WriteString(": tag " + e.Tag)
	}
	b.WriteString(": " + e.Problem)
	if e.DidYouMean != "" {
		fmt.Fprintf(&b, "; did you mean %q?", e.DidYouMean)
	}
	if len(e.Allowed) > 0 {
		b.WriteString(" (allowed: " + strings.Join(e.Allowed, ", ") + ")")
	}
	return b.String()
}

// tagWords lists what each tag may hold; a word ending in = takes a value.
var tagWords = map[string][]string{
	"lithair":   {"primary_key", "unique", "indexed", "index=", "unique=", "fk=", "on_delete=", "was=", "created", "updated"},
	"http":      {"expose", "hidden", "validate="},
	"lifecycle": {"immutable", "audited", "retention="},
	"persist":   {"replicate", "track_history"},
	"privacy":   {"subject", "sealed"},
}

// markWords lists what the tags of a blank field may hold, which are about the model as a
// whole.
var markWords = map[string][]string{
	"lithair":   {"index=", "unique="},
	"lifecycle": {"immutable", "audited", "versioned=", "retention="},
	"persist":   {"replicate", "track_history", "memory_only"},
}

// elsewhere says why a word of the grammar cannot stand where it does.
var elsewhere = map[string]string{
	"versioned":     "versioned is about the record as a whole: put it on a blank field, _ struct{}",
	"memory_only":   "memory_only is about the model as a whole: put it on a blank field, _ struct{}",
	"snapshot_only": "snapshot_only would lose what was acknowledged since the last snapshot in a crash, so it is refused: leave it out to keep records in the log, or use persist:\"memory_only\" for what may be lost",
}

// later lists words of the tag grammar that this release does not carry out; they are
// refused rather than ignored.
var later = map[string][]string{
	"persist": {"auto_persist"},
	"perm":    {"read", "write", "delete"},
	"rbac":    {"owner_field"},
}

func (f *Field) readTags(typ string, sf reflect.StructField) error {
	for _, key := range []string{"lithair", "http", "lifecycle", "persist", "privacy", "perm", "rbac"} {
		tag := sf.Tag.Get(key)
		if tag == "" {
			continue
		}
		words, err := splitTag(tag)
		if err != nil {
			return &TagError{Type: typ, Field: sf.Name, Tag: key, Problem: err.Error()}
		}
		for _, w := range words {
			if err := f.readWord(typ, key, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckTarget says whether the foreign key f of m can refer to a model of that name, given
// all there are, by name; the error is a *[TagError].
func (m *Model) CheckTarget(f *Field, all map[string]*Schema) error {
	bad := &TagError{Type: m.Type.String(), Field: f.GoName, Tag: "lithair"}
	target := all[f.FK]
	if target == nil {
		for name := range all {
			if !strings.HasPrefix(name, "_") { // the engine's own
				bad.Allowed = append(bad.Allowed, name)
			}
		}
		slices.Sort(bad.Allowed)
		bad.Problem, bad.DidYouMean = fmt.Sprintf("fk=%s: no model of that name is registered", f.FK), Nearest(f.FK, bad.Allowed)
		return bad
	}
	if key := target.PrimaryField(); key != nil && key.Type.Kind != f.Type.Kind {
		bad.Problem = fmt.Sprintf("fk=%s: the field is of type %s, and the primary key of %s is %s", f.FK, f.Type.Kind, f.FK, key.Type.Kind)
		return bad
	}
	return nil
}

// splitTag splits at commas outside quotes and parentheses.
func splitTag(tag string) (words []string, err error) {
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(tag); i++ {
		switch c := tag[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			words = append(words, strings.TrimSpace(tag[start:i]))
			start = i + 1
		}
	}
	if quoted || depth != 0 {
		return nil, fmt.Errorf("%q has an open quote or parenthesis", tag)
	}
	return append(words, strings.TrimSpace(tag[start:])), nil
}

func (f *Field) readWord(typ, key, w string) error {
	name, value, has := strings.Cut(w, "=")
	bad := func(problem string, allowed []string) error {
		return &TagError{Type: typ, Field: f.GoName, Tag: key, Problem: problem, Allowed: allowed, DidYouMean: Nearest(name, bare(allowed))}
	}
	if slices.Contains(later[key], name) {
		return bad(fmt.Sprintf("%s is not enforced by this release; remove it, so that nobody relies on it", name), nil)
	}
	allowed := tagWords[key]
	if f.mark != nil {
		allowed = markWords[key]
	}
	if why := elsewhere[name]; why != "" && !slices.Contains(allowed, name) && !slices.Contains(allowed, name+"=") && (key == "lifecycle" || key == "persist") {
		return bad(why, nil)
	}
	switch {
	case slices.Contains(allowed, name) && !has:
	case slices.Contains(allowed, name+"=") && has && value != "":
	case slices.Contains(allowed, name+"="):
		return bad(name+" needs a value", nil)
	case slices.Contains(allowed, name):
		return bad(name+" takes no value", nil)
	default:
		return bad(fmt.Sprintf("unknown word %q", name), allowed)
	}
	switch name {
	case "primary_key":
		f.Primary = true
	case "index":
		f.indexes = append(f.indexes, indexTag{f.GoName, value, false})
	case "unique":
		if has {
			f.indexes = append(f.indexes, indexTag{f.GoName, value, true})
			break
		}
		f.Unique = true
	case "indexed":
		f.Indexed = true
	case "fk":
		f.FK = value
	case "on_delete":
		if f.OnDelete = value; value == "restrict" {
			f.OnDelete = ""
		} else if value != "cascade" && value != "set_null" {
			actions := []string{"restrict", "cascade", "set_null"}
			return &TagError{Type: typ, Field: f.GoName, Tag: key, Problem: fmt.Sprintf("on_delete=%s", value), Allowed: actions, DidYouMean: Nearest(value, actions)}
		}
	case "was":
		f.Was = value
	case "created":
		f.Created = true
	case "updated":
		f.Updated = true
	case "hidden":
		f.Hidden = true
	case "immutable":
		if f.mark != nil {
			f.mark.Immutable = true
		}
		f.Immutable = true
	case "audited":
		if f.mark != nil {
			f.mark.Audited = true
		}
		f.Audited = true
	case "subject":
		f.Subject = true
	case "sealed":
		f.Sealed = true
	case "memory_only":
		f.mark.MemoryOnly = true
	case "versioned":
		n, err := readNumber(value, MaxVersions)
		if err != nil {
			return bad("versioned: "+err.Error(), nil)
		}
		f.mark.Versioned = n
	case "retention":
		days, err := readNumber(value, MaxRetentionDays)
		if err != nil {
			return bad("retention: "+err.Error(), nil)
		}
		f.retention = time.Duration(days) * 24 * time.Hour
	case "validate":
		for _, rule := range splitRules(value) {
			v, err := parseValidator(rule, f)
			if err != nil {
				near := Nearest(ruleName(rule), validatorNames())
				if near == ruleName(rule) {
					near = "" // its arguments are wrong
				}
				return &TagError{Type: typ, Field: f.GoName, Tag: key, Problem: err.Error(), Allowed: validatorForms, DidYouMean: near}
			}
			f.validators = append(f.validators, v)
			f.Rules = append(f.Rules, v.rule)
		}
	}
	return nil
}

// splitRules splits a validate value at semicolons outside quotes.
func splitRules(s string) (rules []string) {
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			rules = append(rules, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	return append(rules, strings.TrimSpace(s[start:]))
}

func ruleName(rule string) string {
	name, _, _ := strings.Cut(rule, "(")
	return name
}

// bare returns names without the = that some are written with.
func bare(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = strings.TrimSuffix(n, "=")
	}
	return list
}

func parseArgs(rule string) (name string, args []string, err error) {
	name, rest, has := strings.Cut(rule, "(")
	if !has {
		return name, nil, nil
	}
	if !strings.HasSuffix(rest, ")") {
		return name, nil, fmt.Errorf("%q lacks its closing parenthesis", rule)
	}
	rest = rest[:len(rest)-1]
	if strings.HasPrefix(rest, `"`) {
		s, err := strconv.Unquote(rest)
		if err != nil {
			return name, nil, fmt.Errorf("%q: %s is no quoted string", rule, rest)
		}
		return name, []string{s}, nil
	}
	for _, a := range strings.Split(rest, ",") {
		args = append(args, strings.TrimSpace(a))
	}
	return name, args, nil
}
