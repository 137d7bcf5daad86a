package wire

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// ErrCookie: a cookie that browsers would refuse, cut or take for something else.
var ErrCookie = errors.New("wire: invalid cookie")

// Cookie returns the value of the first cookie of that name (RFC 6265 §4.2), without
// quotes around it; ok is false when there is none. Names are compared byte by byte.
// Cookies whose name or value cannot be one are passed over.
func (r *Request) Cookie(name string) (value string, ok bool) {
	eachCookie(&r.head, func(n, v []byte) bool {
		if string(n) == name {
			value, ok = string(v), true
		}
		return !ok
	})
	return value, ok
}

// Cookies iterates over all cookies in the order they were sent.
func (r *Request) Cookies() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		eachCookie(&r.head, func(n, v []byte) bool { return yield(string(n), string(v)) })
	}
}

// eachCookie calls fn with the cookies of a head until it returns false:
//
//	cookie-string = cookie-pair *( ";" SP cookie-pair )   (RFC 6265 §4.2.1)
//
// White space round a pair may be missing or more.
func eachCookie(h *head, fn func(name, value []byte) bool) {
	for i := range h.fields {
		if f := &h.fields[i]; equalFold(f.name.of(h.buf), "cookie") && !cookiesOf(f.value.of(h.buf), fn) {
			return
		}
	}
}

func cookiesOf(line []byte, fn func(name, value []byte) bool) (more bool) {
	for len(line) > 0 {
		var pair []byte
		pair, line, _ = bytes.Cut(line, semicolon)
		name, value, ok := bytes.Cut(trimOWS(pair), equals)
		if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		if ok && len(name) > 0 && all(name, classToken) && all(value, classCookie) && !fn(name, value) {
			return false
		}
	}
	return true
}

var semicolon, equals = []byte{';'}, []byte{'='}

// SameSite says on which requests from other sites a browser sends a cookie.
type SameSite uint8

const (
	SameSiteLax    SameSite = iota // when a person follows a link here; the default
	SameSiteStrict                 // never
	SameSiteNone                   // always
)

// Cookie is a cookie to be set (RFC 6265 §4.1, with the rules of RFC 6265bis). The zero
// values of the attributes are the safe ones: sent over TLS alone, hidden from scripts,
// to this host alone, not on requests that other sites make, gone with the browser.
type Cookie struct {
	Name  string // a token; those that begin with __Host- or __Secure- must keep their promise
	Value string // visible ASCII without quotes, commas, semicolons and backslashes

	Path   string        // default "/"
	Domain string        // default: this host and no other; else that domain and all below it
	MaxAge time.Duration // 0: as long as the browser runs; negative: delete it. Whole seconds

	SameSite     SameSite
	PlainHTTP    bool // also without TLS: leaves Secure out
	ScriptAccess bool // scripts may read it: leaves HttpOnly out
	Partitioned  bool // kept apart per top-level site
}

// Limits of browsers (RFC 6265bis §5.6): they ignore a cookie or attribute beyond.
const (
	maxCookieBytes    = 4096 // of name and value
	maxCookieAttrByte = 1024 // of Path and of Domain
)

// SetCookie adds a Set-Cookie field, in place of one for the same name. It fails with
// [ErrCookie] and sets nothing when a browser would not do what c says.
func (w *Response) SetCookie(c Cookie) error {
	if w.started {
		return w.fail(ErrStarted)
	}
	if err := c.check(); err != nil {
		return err
	}
	w.dropCookie(c.Name)
	w.fields = append(c.append(append(w.fields, "Set-Cookie: "...)), "\r\n"...)
	return nil
}

// dropCookie removes Set-Cookie fields for a name.
func (w *Response) dropCookie(name string) {
	const prefix = "set-cookie: "
	out := w.fields[:0]
	for rest := w.fields; len(rest) > 0; {
		n := lineLen(rest)
		at := len(prefix) + len(name)
		if !isField(rest[:n], "set-cookie") || n <= at || rest[at] != '=' || string(rest[len(prefix):at]) != name {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	w.fields = out
}

// String returns the value of the Set-Cookie field, unchecked.
func (c Cookie) String() string { return string(c.append(nil)) }

func (c *Cookie) append(b []byte) []byte {
	b = append(append(append(b, c.Name...), '='), c.Value...)
	path := c.Path
	if path == "" {
		path = "/"
	}
	b = append(append(b, "; Path="...), path...)
	if c.Domain != "" {
		b = append(append(b, "; Domain="...), c.Domain...)
	}
	if c.MaxAge != 0 {
		b = strconv.AppendInt(append(b, "; Max-Age="...), int64(max(c.MaxAge, 0)/time.Second), 10)
	}
	if !c.PlainHTTP {
		b = append(b, "; Secure"...)
	}
	if !c.ScriptAccess {
		b = append(b, "; HttpOnly"...)
	}
	b = append(append(b, "; SameSite="...), [...]string{"Lax", "Strict", "None"}[min(c.SameSite, SameSiteNone)]...)
	if c.Partitioned {
		b = append(b, "; Partitioned"...)
	}
	return b
}

// check says why a browser would not keep the cookie as it is meant.
func (c *Cookie) check() error {
	bad := func(why string) error { return fmt.Errorf("%w %.40q: %s", ErrCookie, c.Name, why) }
	host := hasPrefixFold(c.Name, "__Host-")
	switch {
	case c.Name == "" || !all(c.Name, classToken):
		return bad("the name is no token")
	case !all(c.Value, classCookie) || strings.ContainsAny(c.Value, " ,"):
		return bad("the value holds bytes that must be encoded")
	case len(c.Name)+len(c.Value) > maxCookieBytes:
		return bad("name and value are longer than 4,096 bytes")
	case c.Path != "" && (c.Path[0] != '/' || !all(c.Path, classTarget) || strings.ContainsRune(c.Path, ';') || len(c.Path) > maxCookieAttrByte):
		return bad("the path is no path")
	case c.Domain != "" && !validDomain(c.Domain):
		return bad("the domain is no domain")
	case c.MaxAge > 0 && c.MaxAge < time.Second:
		return bad("the age is below a second")
	case c.SameSite > SameSiteNone:
		return bad("no such SameSite")
	case c.PlainHTTP && (c.SameSite == SameSiteNone || c.Partitioned || host || hasPrefixFold(c.Name, "__Secure-")):
		return bad("browsers take it over TLS only")
	case host && (c.Domain != "" || c.Path != "" && c.Path != "/"):
		return bad("with __Host- there is no domain and the path is /")
	}
	return nil
}

// validDomain checks the labels of a domain; none may be empty.
func validDomain(d string) bool {
	if len(d) > 253 {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; lower(c)-'a' > 25 && c-'0' > 9 && c != '-' {
				return false
			}
		}
	}
	return true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix)
}
