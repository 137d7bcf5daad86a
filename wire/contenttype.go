package wire

import "strings"

// AllowContentType refuses a request that has a body of any other media type with 415,
// and names the allowed ones in Accept (RFC 9110 §15.5.16). Types are compared without
// their parameters and without regard to case: "application/json". A body without a
// Content-Type is refused, too: a page of another site can send one without being asked.
func AllowContentType(types ...string) Middleware {
	accept := strings.Join(types, ", ")
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if r.ContentLength() == 0 || allowedType(r, types) {
				return next(w, r)
			}
			return &Error{Status: 415, Detail: "the body must be of type " + accept, Header: [][2]string{{"Accept", accept}}}
		}
	}
}

func allowedType(r *Request, types []string) bool {
	v, _ := r.head.field("content-type")
	for i, c := range v {
		if c == ';' {
			v = v[:i]
			break
		}
	}
	v = trimOWS(v)
	for _, t := range types {
		if equalFold(v, t) {
			return r.head.count("content-type") == 1
		}
	}
	return false
}
