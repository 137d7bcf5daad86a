package main

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	lithair "github.com/lithair/lithair-go"
)

// form is a form as it is shown: what was typed, and what is wrong with it by field.
type form struct {
	values url.Values
	errs   map[string]string
}

// Value is what was typed into a field.
func (f form) Value(name string) string { return f.values.Get(name) }

// Error says what is wrong with a field; empty when nothing is. The name "" is for what
// concerns the whole form.
func (f form) Error(name string) string { return f.errs[name] }

// Failed says whether anything is wrong.
func (f form) Failed() bool { return len(f.errs) > 0 }

// Checked says whether a box is ticked.
func (f form) Checked(name string) bool { return f.values.Get(name) != "" }

func (f *form) fail(name, message string) {
	if f.errs == nil {
		f.errs = map[string]string{}
	}
	if f.errs[name] == "" {
		f.errs[name] = message
	}
}

// explain puts what the store refused beside the fields it concerns. It returns the
// error back when that is nobody's input: a full disk, a closed server.
func (f *form) explain(err error) error {
	if v, ok := errors.AsType[*lithair.ValidationError](err); ok {
		for _, violation := range v.Violations {
			message := sentence(violation.Message)
			if violation.Code == "regex" { // people do not read patterns; slug is the only one here
				message = "Use lower-case letters, digits and single hyphens only."
			}
			f.fail(violation.Field, message)
		}
		return nil
	}
	c, ok := errors.AsType[*lithair.ConflictError](err)
	if !ok {
		return err
	}
	switch c.Kind {
	case "unique", "exists":
		f.fail(c.Field, "Another one has this already; choose a different one.")
	case "reference":
		f.fail(c.Field, "This one is not there any more; choose another.")
	default:
		f.fail(c.Field, sentence(c.Error()))
	}
	return nil
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

func itoa(n int) string { return strconv.Itoa(n) }
