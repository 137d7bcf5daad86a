package wire

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCookieJarRules(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	notSuffix := func(domain string) bool { return strings.Contains(domain, ".") }
	for _, row := range []struct {
		name, from, set, to, want string
		allow                     func(string) bool
	}{
		{"plain", "http://a.test/", "x=1", "http://a.test/y", "x=1", nil},
		{"value with =", "http://a.test/", " x = a=b ; foo", "http://a.test/", "x=a=b", nil},
		{"another host", "http://a.test/", "x=1", "http://b.test/", "", nil},
		{"a sub-host", "http://a.test/", "x=1", "http://s.a.test/", "", nil},
		{"another port is the same", "http://a.test/", "x=1", "http://a.test:81/", "x=1", nil},
		{"Domain means the host alone", "http://s.a.test/", "x=1; Domain=a.test", "http://a.test/", "", nil},
		{"Domain, the host itself", "http://s.a.test/", "x=1; Domain=a.test", "http://s.a.test/", "x=1", nil},
		{"Domain, allowed", "http://s.a.test/", "x=1; domain=.A.test", "http://t.a.test/", "x=1", notSuffix},
		{"Domain, a public suffix", "http://s.test/", "x=1; Domain=test", "http://t.test/", "", notSuffix},
		{"Domain of others", "http://a.test/", "x=1; Domain=b.test", "http://a.test/", "", notSuffix},
		{"Domain that only ends alike", "http://ba.test/", "x=1; Domain=a.test", "http://ba.test/", "", notSuffix},
		{"Domain below", "http://a.test/", "x=1; Domain=s.a.test", "http://s.a.test/", "", notSuffix},
		{"address and Domain", "http://10.0.0.1/", "x=1; Domain=0.0.1", "http://10.0.0.1/", "", notSuffix},
		{"path", "http://a.test/b/c", "x=1", "http://a.test/b/d", "x=1", nil},
		{"path above", "http://a.test/b/c", "x=1", "http://a.test/e", "", nil},
		{"path by segments", "http://a.test/", "x=1; Path=/b", "http://a.test/bc", "", nil},
		{"path itself", "http://a.test/", "x=1; Path=/b", "http://a.test/b?c", "x=1", nil},
		{"path that is none", "http://a.test/b/c", "x=1; Path=d", "http://a.test/b/", "x=1", nil},
		{"Secure to http", "https://a.test/", "x=1; Secure", "http://a.test/", "", nil},
		{"Secure to https", "https://a.test/", "x=1; secure", "https://a.test/", "x=1", nil},
		{"Secure from http", "http://a.test/", "x=1; Secure", "https://a.test/", "", nil},
		{"Max-Age", "http://a.test/", "x=1; Max-Age=10", "http://a.test/", "x=1", nil},
		{"Max-Age 0", "http://a.test/", "x=1; Max-Age=0", "http://a.test/", "", nil},
		{"Max-Age before Expires", "http://a.test/", "x=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.test/", "x=1", nil},
		{"expired", "http://a.test/", "x=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.test/", "", nil},
		{"Expires with dashes", "http://a.test/", "x=1; Expires=Thu, 01-Jan-2099 00:00:00 GMT", "http://a.test/", "x=1", nil},
		{"Expires that is none", "http://a.test/", "x=1; Expires=soon", "http://a.test/", "x=1", nil},
		{"no name", "http://a.test/", "=1", "http://a.test/", "", nil},
		{"no =", "http://a.test/", "x", "http://a.test/", "", nil},
		{"too large", "http://a.test/", "x=" + strings.Repeat("y", 4096), "http://a.test/", "", nil},
		{"__Secure- without it", "https://a.test/", "__Secure-x=1", "https://a.test/", "", nil},
		{"__Secure-", "https://a.test/", "__Secure-x=1; Secure", "https://a.test/", "__Secure-x=1", nil},
		{"__Host- with a path", "https://a.test/", "__Host-x=1; Secure; Path=/b", "https://a.test/b", "", nil},
		{"__Host- with a domain", "https://a.test/", "__Host-x=1; Secure; Path=/; Domain=a.test", "https://a.test/", "", nil},
		{"__Host-", "https://a.test/b/c", "__Host-x=1; Secure; Path=/", "https://a.test/", "__Host-x=1", nil},
	} {
		from, err := parseClientURL(row.from)
		to, err2 := parseClientURL(row.to)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		j := &CookieJar{AllowDomain: row.allow}
		if c, ok := j.parse(&from, row.set, now); ok {
			j.keep(c, from.secure, now)
		}
		path, _, _ := strings.Cut(to.target, "?")
		got := ""
		for _, c := range j.matching(to.host, path, to.secure, now) {
			got += c.name + "=" + c.value
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestCookieJarReplacesAndBounds(t *testing.T) {
	now := time.Now()
	j := &CookieJar{}
	u, err := parseClientURL("https://a.test/")
	if err != nil {
		t.Fatal(err)
	}
	set := func(u clientURL, text string) {
		if c, ok := j.parse(&u, text, now); ok {
			j.keep(c, u.secure, now)
		}
	}
	show := func() (s string) {
		for _, c := range j.matching("a.test", "/b", true, now) {
			s += c.name + c.value + " "
		}
		return s
	}
	set(u, "x=1; Secure")
	set(u, "y=1")
	set(u, "z=1; Path=/b")
	set(u, "y=2")
	if got := show(); got != "z1 x1 y2 " { // longer paths first, then the older
		t.Error(got)
	}
	plain := u
	plain.secure = false
	set(plain, "x=evil")
	set(u, "z=; Path=/b; Max-Age=-1")
	if got := show(); got != "x1 y2 " {
		t.Error(got)
	}
	for i := range 2 * maxDomainCookies {
		set(u, fmt.Sprintf("n%d=1", i))
	}
	if n := len(j.domains["a.test"]); n != maxDomainCookies {
		t.Errorf("%d cookies of one host", n)
	}
	for i := range maxCookies + 10 {
		u.host = fmt.Sprintf("h%d.test", i)
		set(u, "x=1")
	}
	sum := 0
	for _, l := range j.domains {
		sum += len(l)
	}
	if sum != j.count || sum > maxCookies {
		t.Errorf("%d cookies, counted %d", sum, j.count)
	}
}

func TestClientCookies(t *testing.T) {
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			http.SetCookie(w, &http.Cookie{Name: "s", Value: "1", Path: "/", HttpOnly: true})
			http.Redirect(w, r, "/", 303)
		case "/logout":
			http.SetCookie(w, &http.Cookie{Name: "s", Path: "/", MaxAge: -1})
		default:
			fmt.Fprint(w, r.Header.Get("Cookie"))
		}
	})
	c := newClient(t, func(c *ClientConfig) { c.Jar = &CookieJar{} })
	if _, body := get(t, c, u+"/login"); body != "s=1" {
		t.Errorf("behind the redirect: %q", body)
	}
	r, err := c.Do(t.Context(), &ClientRequest{URL: u, Header: [][2]string{{"Cookie", "own=2"}}})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.ReadAll(0); string(b) != "own=2; s=1" || err != nil {
		t.Errorf("with one of its own: %q, %v", b, err)
	}
	get(t, c, u+"/logout")
	if _, body := get(t, c, u); body != "" {
		t.Errorf("after the end: %q", body)
	}
	if _, body := get(t, newClient(t), u+"/login"); body != "" {
		t.Errorf("without a jar: %q", body)
	}
}

// FuzzSetCookie holds the reading of Set-Cookie against net/http's: where both take a
// cookie, name, value, path and Secure agree. Each is stricter somewhere: net/http wants
// tokens for names and no blanks in values, the jar applies the rules of prefixes, domain
// and Secure.
func FuzzSetCookie(f *testing.F) {
	for _, s := range []string{"a=b", "a=b; Path=/x; Secure; HttpOnly", "a=\"b\"; Max-Age=0", " a = b ;;; path=", "a=b; Expires=Thu, 01-Jan-2099 00:00:00 GMT; Domain=.h.test", "__Host-a=b; Secure; Path=/"} {
		f.Add(s)
	}
	u, err := parseClientURL("https://h.test/d/x")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !all(text, classValue) {
			return // cannot be a field value
		}
		now := time.Now()
		j := &CookieJar{}
		c, ok := j.parse(&u, text, now)
		if !ok {
			return
		}
		j.keep(c, true, now)
		found := j.matching(u.host, c.path, true, now)
		if gone := !c.expires.IsZero() && !now.Before(c.expires); gone != (len(found) == 0) {
			t.Fatalf("%q: kept %v, expires %v", text, found, c.expires)
		}
		want, err := http.ParseSetCookie(text)
		if err != nil || strings.ContainsAny(text, " \t") {
			return // net/http leaves blanks around values, which browsers cut off
		}
		value := c.value
		if want.Quoted {
			value = strings.Trim(value, `"`)
		}
		if c.name != want.Name || value != want.Value {
			t.Fatalf("%q: %+v, net/http %+v", text, c, want)
		}
		if _, attributes, _ := strings.Cut(text, ";"); strings.ContainsFunc(attributes, func(r rune) bool { return r == '"' || r == '\\' || r > '~' }) {
			return // net/http passes over attributes with such values, RFC 6265bis §5.6 does not
		}
		if c.secure != want.Secure || strings.HasPrefix(want.Path, "/") && c.path != want.Path {
			t.Fatalf("%q: %+v, net/http %+v", text, c, want)
		}
	})
}
