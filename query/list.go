package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/model"
)

// maxList bounds the elements of in(..) and or=(..).
const maxList = 100

// inside returns what stands between a prefix with its opening parenthesis and the closing
// one; ok is false when text does not begin so.
func inside(text, prefix string) (list string, ok bool, err error) {
	list, ok = strings.CutPrefix(text, prefix)
	if !ok {
		return "", false, nil
	}
	list, closed := strings.CutSuffix(list, ")")
	if !closed {
		return "", true, errors.New("lacks its closing parenthesis")
	}
	return list, true, nil
}

// elements splits a list at its commas, those in quotes and inner parentheses left out.
//
//	list    = element *( "," element )
//	element = *( char / quoted / "(" list ")" )
//	quoted  = DQUOTE *( char / "\" DQUOTE / "\\" ) DQUOTE
func elements(list string) (all []string, err error) {
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
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
			all, start = append(all, list[start:i]), i+1
		}
		if depth < 0 {
			return nil, errors.New("has a closing parenthesis too many")
		}
	}
	all = append(all, list[start:])
	switch {
	case quoted:
		return nil, errors.New("has an open quote")
	case depth > 0:
		return nil, errors.New("lacks a closing parenthesis")
	case len(all) > maxList:
		return nil, fmt.Errorf("has more than %d elements", maxList)
	}
	return all, nil
}

// unquote takes the quotes off an operand in a list; other text stays as it is.
func unquote(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '"':
			if i+1 < len(text) {
				return "", errors.New("has text behind a closing quote")
			}
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("has an open quote")
}

// oneOf makes the condition that a field has one of the values of a list.
func (p *parser) oneOf(f *model.SchemaField, list string) (c predicate, err error) {
	all, err := elements(list)
	if err != nil {
		return c, err
	}
	c = predicate{field: f, op: in}
	for _, text := range all {
		if values, ok, err := p.claim(text); ok {
			if err != nil {
				return c, err
			}
			c.keys = append(c.keys, p.keysOf(f, values)...)
			continue
		}
		literal := strings.HasPrefix(text, `"`)
		if text, err = unquote(text); err != nil {
			return c, err
		}
		key, null, err := p.operand(f, text, literal)
		if err != nil {
			return c, err
		}
		c.null = c.null || null
		c.keys = append(c.keys, string(key))
	}
	slices.Sort(c.keys)
	c.keys = slices.Compact(c.keys)
	return c, nil
}

// alternatives is the field of conditions that stand for several.
var alternatives = model.SchemaField{Name: "or"}

// or reads the value of or=(a=1,b=>2): one of the conditions must hold.
func (p *parser) or(value string) error {
	bad := func(err error) error { return &Error{Field: "or", Problem: err.Error()} }
	list, ok, err := inside(value, "(")
	if err != nil {
		return bad(err)
	}
	if !ok {
		return bad(errors.New("wants conditions in parentheses, such as or=(a=1,b=>2)"))
	}
	all, err := elements(list)
	if err != nil {
		return bad(err)
	}
	group := predicate{field: &alternatives, op: anyOf}
	for _, text := range all {
		name, v, ok := strings.Cut(text, "=")
		if !ok {
			return bad(errors.New("has " + quote(text) + " in it, which is no condition"))
		}
		c, err := p.predicate(name, v, true)
		if err != nil {
			return err
		}
		group.any = append(group.any, c)
	}
	p.q.where = append(p.q.where, group)
	return nil
}
