package wire

import "strings"

// parameters takes a value with parameters apart, as in Content-Type and
// Content-Disposition:
//
//	parameters      = *( OWS ";" OWS [ parameter ] )   (RFC 9110 §5.6.6)
//	parameter       = token "=" ( token / quoted-string )
//
// It calls fn with each parameter, the name in lower case and the value without quotes,
// and returns what stands in front of the first semicolon; ok is false when the value is
// malformed or fn returns false.
//
// Within quotes a backslash makes a quote or backslash stand for itself; in front of
// anything else it is one of the bytes, as in the paths that some programs send for file
// names.
func parameters(v string, fn func(name, value string) bool) (first string, ok bool) {
	i := strings.IndexByte(v, ';')
	if i < 0 {
		return strings.Trim(v, " \t"), true
	}
	first = strings.Trim(v[:i], " \t")
	for v = v[i:]; v != ""; {
		v = strings.TrimLeft(v, "; \t")
		if v == "" {
			break
		}
		eq := strings.IndexByte(v, '=')
		if eq <= 0 || !all(v[:eq], classToken) {
			return first, false
		}
		name := strings.ToLower(v[:eq])
		value, rest, ok := parameterValue(v[eq+1:])
		if !ok || !fn(name, value) {
			return first, false
		}
		if v = strings.TrimLeft(rest, " \t"); v != "" && v[0] != ';' {
			return first, false
		}
	}
	return first, true
}

// parameterValue reads a token or quoted-string at the front of v.
func parameterValue(v string) (value, rest string, ok bool) {
	if v == "" || v[0] != '"' {
		n := 0
		for n < len(v) && classes[v[n]]&classToken != 0 {
			n++
		}
		return v[:n], v[n:], n > 0
	}
	var b []byte
	for i := 1; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"':
			return string(b), v[i+1:], true
		case c == '\\' && i+1 < len(v) && (v[i+1] == '"' || v[i+1] == '\\'):
			i++
			b = append(b, v[i])
		default:
			b = append(b, c)
		}
	}
	return "", "", false
}
