package rest

import (
	"slices"
	"strconv"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// Item is one fault of a request.
type Item struct {
	Field   string `json:"-"`       // top-level field, for details
	Pointer string `json:"pointer"` // JSON Pointer into the body (RFC 6901)
	Code    string `json:"code"`    // "email", "unique", "unknown", ...
	Message string `json:"message"`
}

// Problem is what an error says beyond its status; it travels in wire.Error.Extra.
type Problem struct {
	Errors []Item
	Oldest *uint64 // the oldest index that can be read; nil where that does not matter
}

// fault makes an error with a code of the registry.
func fault(c Code, detail string, items ...Item) *wire.Error {
	e := &wire.Error{Status: c.Status, Code: c.Code, Title: c.Title, Detail: detail}
	if len(items) > 0 {
		e.Extra = &Problem{Errors: items}
	}
	if c.Status == 503 {
		e.Header = [][2]string{{"Retry-After", "1"}}
	}
	return e
}

// TypesPath is where the application says what each code means. The member type of a problem is a link into
// there, /docs/errors#LTH1010: a URI reference that stays the same for a code (RFC 9457 §3.1.1), to be compared as text,
// without being fetched. It is a path, so that it leads to the application that answered, also without a network.
// Codes that are not of the registry, an application's own, have the type about:blank. Where the page is not served
// (no-docs), or a proxy puts the application below a path, the type names the code all the same, but leads nowhere;
// lithair errors lookup knows them all.
const TypesPath = "/docs/errors"

// ErrorBody renders problem details (RFC 9457) with the members code, request_id, errors,
// details ({field: message}) and error (a text, for clients that read only that). It is
// for wire.Config.ErrorBody.
func ErrorBody(r *wire.Request, e *wire.Error) (contentType string, body []byte) {
	code := byStatus(e.Status)
	name := e.Code
	if name == "" {
		name = code.Code
	}
	kind := "about:blank"
	if slices.ContainsFunc(Codes, func(c Code) bool { return c.Code == name }) {
		kind = TypesPath + "#" + name
	}
	b := jsonx.AppendString(append(make([]byte, 0, 512), `{"type":`...), kind)
	b = append(b, `,"title":`...)
	title := e.Title
	if title == "" {
		title = code.Title
	}
	b = jsonx.AppendString(b, title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(e.Status), 10)
	text := title
	if e.Detail != "" {
		text = e.Detail
		b = jsonx.AppendString(append(b, `,"detail":`...), e.Detail)
	}
	b = jsonx.AppendString(append(b, `,"code":`...), name)
	if r != nil {
		b = jsonx.AppendString(append(b, `,"request_id":`...), r.ID())
	}
	if p, ok := e.Extra.(*Problem); ok {
		b = p.appendMembers(b)
	}
	b = jsonx.AppendString(append(b, `,"error":`...), text)
	return "application/problem+json", append(b, '}', '\n')
}

func (p *Problem) appendMembers(b []byte) []byte {
	if p.Oldest != nil {
		b = strconv.AppendUint(append(b, `,"oldest_index":`...), *p.Oldest, 10)
	}
	if len(p.Errors) == 0 {
		return b
	}
	b = append(b, `,"errors":[`...)
	for i, it := range p.Errors {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonx.AppendString(append(b, `{"pointer":`...), it.Pointer)
		b = jsonx.AppendString(append(b, `,"code":`...), it.Code)
		b = append(jsonx.AppendString(append(b, `,"message":`...), it.Message), '}')
	}
	b = append(b, `],"details":{`...)
	seen := map[string]bool{"": true}
	for _, it := range p.Errors {
		if seen[it.Field] {
			continue
		}
		if len(seen) > 1 {
			b = append(b, ',')
		}
		seen[it.Field] = true
		b = jsonx.AppendString(append(jsonx.AppendString(b, it.Field), ':'), it.Message)
	}
	return append(b, '}')
}
