package wire

import (
	"fmt"
	"strings"
)

// Query holds the pairs of a query string in order, decoded.
type Query struct {
	Pairs [][2]string
	Err   error // the first broken percent-encoding, if any; the pair is kept as it came
}

// ParseQuery decodes a query string: pairs joined by &, name and value by the first =,
// + for a blank, percent-encoding.
func ParseQuery(raw string) (q Query) {
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		var pair [2]string
		for i, s := range []string{name, value} {
			d, err := unescape(s, true)
			if err != nil {
				d = s
				if q.Err == nil {
					q.Err = err
				}
			}
			pair[i] = d
		}
		q.Pairs = append(q.Pairs, pair)
	}
	return q
}

// Get returns the first value of that name; "" when there is none.
func (q Query) Get(name string) string {
	for _, p := range q.Pairs {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// Has says whether there is a pair of that name.
func (q Query) Has(name string) bool {
	for _, p := range q.Pairs {
		if p[0] == name {
			return true
		}
	}
	return false
}

// All returns all values of that name in order.
func (q Query) All(name string) (values []string) {
	for _, p := range q.Pairs {
		if p[0] == name {
			values = append(values, p[1])
		}
	}
	return values
}

// unescape decodes percent-encoding (RFC 3986 §2.1).
func unescape(s string, plus bool) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+' && plus:
			b = append(b, ' ')
		case c == '%':
			if i+2 >= len(s) || hexDigit(s[i+1]) < 0 || hexDigit(s[i+2]) < 0 {
				return "", fmt.Errorf("wire: %.20q is no percent-encoding", s[i:])
			}
			b = append(b, byte(hexDigit(s[i+1])<<4|hexDigit(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b), nil
}
