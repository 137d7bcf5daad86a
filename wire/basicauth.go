package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// BasicAuth returns the credentials of an Authorization field with the Basic scheme (RFC
// 7617 §2); ok is false when there is none or it is malformed: more than one such field,
// broken base64, no colon, control bytes. Credentials are as safe as the connection:
// without TLS anybody on the way reads them.
func (r *Request) BasicAuth() (user, password string, ok bool) {
	v, _ := r.head.field("authorization")
	const scheme = "basic "
	if len(v) < len(scheme) || !equalFold(v[:len(scheme)], scheme) || r.head.count("authorization") != 1 {
		return "", "", false
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(string(trimOWS(v[len(scheme):])))
	if err != nil || !all(plain, classValue) {
		return "", "", false
	}
	return strings.Cut(string(plain), ":")
}

// BasicAuth lets requests through whose credentials check accepts, and answers 401 with a
// challenge for realm to all others. check should compare with [SecretEqual]; it is
// called by many goroutines at once.
//
// It is meant for what people protect by hand: staging sites, metrics, one admin. It
// returns an error for a realm that is not printable ASCII and without a check.
func BasicAuth(realm string, check func(r *Request, user, password string) bool) (Middleware, error) {
	if !printableASCII(realm) || check == nil {
		return nil, fmt.Errorf("wire: BasicAuth(%q): want a realm of printable ASCII and a check", realm)
	}
	challenge := `Basic realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `", charset="UTF-8"`
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if user, password, ok := r.BasicAuth(); ok && check(r, user, password) {
				return next(w, r)
			}
			return &Error{Status: 401, Detail: "a user name and password are needed here", Header: [][2]string{{"WWW-Authenticate", challenge}}}
		}
	}, nil
}

// SecretEqual compares two secrets in a time that depends on neither: not on where they
// differ and, beyond hashing what the client sent, not on their lengths.
func SecretEqual(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// printableASCII says whether s is of spaces and visible ASCII.
func printableASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
