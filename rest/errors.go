package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/wire"
)

// ToError turns an error of the layers below into one with a status and a code. What it
// does not know becomes a 500 whose cause is for the log alone.
func ToError(err error) *wire.Error { return toError(err, "") }

// toError is ToError for a value that stands at a pointer of the body.
func toError(err error, at string) *wire.Error {
	var e *wire.Error
	if errors.As(err, &e) {
		c := *e
		return &c
	}
	if e = inputError(err, at); e == nil {
		e = stateError(err, at)
	}
	if e == nil {
		e = runError(err)
	}
	e.Err = err
	return e
}

// inputError is what is wrong with the request itself.
func inputError(err error, at string) *wire.Error {
	var syntax *jsonx.SyntaxError
	var value *jsonx.UnmarshalError
	var q *query.Error
	var key *model.KeyError
	switch {
	case errors.As(err, &syntax):
		if errors.Is(err, jsonx.ErrTooLarge) {
			return fault(CodeTooLarge, "the body is too large")
		}
		return malformed(syntax, at)
	case errors.As(err, &value):
		it := Item{Field: topField(value.Pointer), Pointer: at + value.Pointer, Code: "type", Message: "must be " + wanted(value.GoType) + ", not " + given(value.Got)}
		if value.Unknown != "" {
			it.Code, it.Message = "unknown", "is not a member"
			return fault(CodeUnknownField, fmt.Sprintf("%q %s", value.Unknown, it.Message), it)
		}
		detail := it.Message
		if it.Pointer != "" {
			detail = it.Pointer + " " + it.Message
		}
		if at == "" {
			detail = fmt.Sprintf("line %d, column %d: %s", value.Line, value.Column, detail)
		}
		return fault(CodeWrongType, detail, it)
	case errors.As(err, &q):
		message := q.Problem
		if q.DidYouMean != "" {
			message += "; did you mean " + q.DidYouMean + "?"
		}
		return fault(CodeQuery, q.Error(), Item{Field: q.Field, Code: "query", Message: message})
	case errors.As(err, &key):
		return fault(CodeNotFound, fmt.Sprintf("there is no %s %.100q", key.Model, key.Text))
	}
	return nil
}

// malformed says where a text stops being JSON, and what could have stood there.
func malformed(e *jsonx.SyntaxError, at string) *wire.Error {
	where := fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	what := "want " + e.Expected
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		what = "the text ends, and " + what
	}
	message := where + ": " + what
	detail := message
	if at += e.Pointer; at != "" {
		detail = where + ", at " + at + ": " + what
	}
	return fault(CodeMalformed, detail, Item{Field: topField(e.Pointer), Pointer: at, Code: "malformed", Message: message})
}

// wanted describes the JSON that a Go type is read from.
func wanted(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return "another value"
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return "a time such as 2006-01-02T15:04:05Z"
	case reflect.TypeFor[model.ID]():
		return "an id such as " + model.ID{}.String()
	case reflect.TypeFor[time.Duration]():
		return "a duration in nanoseconds"
	}
	switch k := t.Kind(); {
	case k == reflect.String:
		return "text"
	case k == reflect.Bool:
		return "true or false"
	case k >= reflect.Int && k <= reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case k >= reflect.Uint && k <= reflect.Uint64:
		return fmt.Sprintf("a whole number from 0, of %d bits", t.Bits())
	case k == reflect.Float32, k == reflect.Float64:
		return fmt.Sprintf("a number of %d bits", t.Bits())
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "text in base64"
	case k == reflect.Slice, k == reflect.Array:
		return "an array"
	case k == reflect.Struct, k == reflect.Map:
		return "an object"
	}
	return "another value"
}

// given describes what was read: a kind of JSON, or a number with its text.
func given(got string) string {
	switch number, is := strings.CutPrefix(got, "number "); {
	case is:
		return number
	case got == "string":
		return "this text"
	case got == "bool" || got == "null":
		return got
	case got == "array" || got == "object":
		return "an " + got
	}
	return "a " + got
}

// stateError is what stands against a change.
func stateError(err error, at string) *wire.Error {
	var invalid *engine.ValidationError
	var conflict *engine.ConflictError
	var large *engine.TooLargeError
	var idem *engine.IdempotencyError
	var cascade *engine.CascadeError
	switch {
	case errors.As(err, &invalid):
		items := make([]Item, len(invalid.Violations))
		for i, v := range invalid.Violations {
			items[i] = Item{Field: v.Field, Pointer: at + v.Pointer, Code: v.Code, Message: v.Message}
		}
		return fault(CodeInvalid, fmt.Sprintf("%d of the values of %s are not valid", len(items), invalid.Model), items...)
	case errors.As(err, &conflict):
		return conflictError(conflict, at)
	case errors.As(err, &large):
		return fault(CodeTooLarge, fmt.Sprintf("%s is over the limit of %d bytes", large.What, large.Limit))
	case errors.As(err, &cascade):
		return fault(CodeCascade, fmt.Sprintf("deleting %s %s would delete or change more than %d records that refer to it", cascade.Model, cascade.Key, cascade.Limit))
	case errors.As(err, &idem):
		return fault(CodeIdempotency, fmt.Sprintf("the idempotency key %q was used for a different request", idem.Key))
	case errors.Is(err, engine.ErrNotFound):
		return fault(CodeNotFound, "there is no such record")
	}
	return nil
}

func conflictError(c *engine.ConflictError, at string) *wire.Error {
	it := Item{Field: c.Field, Pointer: at + "/" + escape(c.Field), Code: c.Kind}
	code, detail := CodeExists, fmt.Sprintf("%s %s exists already", c.Model, c.Key)
	switch c.Kind {
	case engine.ConflictExists:
		it.Message = "is taken"
		if c.Field == "" {
			it.Pointer = at
		}
	case engine.ConflictUnique:
		if code, it.Message = CodeUnique, "must be unique, and another record has this value"; len(c.Fields) > 1 {
			it.Message = "must be unique together with " + strings.Join(c.Fields[1:], " and ") + ", and another record has these values"
		}
	case engine.ConflictReference:
		code, it.Message = CodeReference, "refers to "+c.Ref+", which does not exist"
	case engine.ConflictReferenced:
		code, it.Message, it.Pointer = CodeReferenced, "is still referred to by "+c.Ref, at
		return fault(code, fmt.Sprintf("%s %s %s", c.Model, c.Key, it.Message), it)
	case engine.ConflictImmutable:
		if code, it.Message = CodeImmutable, "cannot be changed after creation"; c.Field == "" {
			it.Pointer, it.Message = at, "cannot be changed or deleted after creation"
			return fault(code, fmt.Sprintf("%s %s %s", c.Model, c.Key, it.Message), it)
		}
	case engine.ConflictReadOnly:
		code, it.Message = CodeReadOnly, "is set by the server"
	}
	if c.Kind != engine.ConflictExists {
		detail = fmt.Sprintf("%s.%s %s", c.Model, c.Field, it.Message)
	}
	return fault(code, detail, it)
}

// runError is what kept the server from answering.
func runError(err error) *wire.Error {
	switch {
	case errors.Is(err, engine.ErrFull):
		return fault(CodeFull, "the server's disk is full; reads go on")
	case errors.Is(err, engine.ErrNoRoom):
		return fault(CodeFull, "the server's memory is full; reads and deletes go on")
	case errors.Is(err, engine.ErrBusy):
		return fault(CodeBusy, "too many writes are waiting")
	case errors.Is(err, engine.ErrOutcomeUnknown):
		return fault(CodeUnknown, "it is not known whether the change was made")
	case errors.Is(err, engine.ErrNotCommitted):
		return fault(CodeNotCommitted, "the change was not made")
	case errors.Is(err, engine.ErrNoLeader):
		return fault(CodeUnavailable, "no leader could be asked how fresh this server's state is; with level=none it is read as it is")
	case errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrNotLeader):
		return fault(CodeUnavailable, "the server takes no requests of this kind at the moment")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault(CodeCancelled, "the request was given up")
	}
	return fault(CodeInternal, "")
}
