package openapi

import "github.com/lithair/lithair-go/jsonx"

// object is a JSON object whose members keep their order. A member whose value is nil is left
// out.
type object []member

type member struct {
	name  string
	value any
}

// AppendJSON implements the interface of package jsonx.
func (o object) AppendJSON(b []byte) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for _, m := range o {
		if m.value == nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(jsonx.AppendString(b, m.name), ':')
		if b, err = jsonx.Append(b, m.value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// has says whether there is a member of that name.
func (o object) has(name string) bool {
	for _, m := range o {
		if m.name == name {
			return true
		}
	}
	return false
}
