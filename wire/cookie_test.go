package wire

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// headOf parses a head with those field lines.
func headOf(t testing.TB, lines ...string) *head {
	t.Helper()
	h := &head{}
	b := []byte("GET / HTTP/1.1\r\nHost: t\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n")
	if len(lines) == 0 {
		b = []byte("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
	}
	if _, err := h.parse(b, 1<<16, 100); err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	return h
}

func TestCookies(t *testing.T) {
	for _, c := range []struct{ section, line, want string }{
		{"6265 §4.2.1", "a=1; b=2", "a=1 b=2"},
		{"6265 §4.2.1 no blank", "a=1;b=2", "a=1 b=2"},
		{"6265 §4.1.1 quotes", `a="x y"; b=""`, `a=x y b=`},
		{"6265 §4.2.1 empty value", "a=; b=2", "a= b=2"},
		{"value with =", "a=b=c==", "a=b=c=="},
		{"first of two comes first", "a=1; a=2", "a=1 a=2"},
		{"no =", "lonely; b=2", "b=2"},
		{"empty name", "=1; b=2", "b=2"},
		{"empty pairs", ";; ;b=2;", "b=2"},
		{"name no token", "a b=1; c(=2; d=3", "d=3"},
		{"one quote", `a="1; b=2`, "b=2"},
		{"backslash", `a=\1; b=2`, "b=2"},
		{"obs-text", "a=\xff; b=2", "b=2"},
		{"names differ by case", "A=1; a=2", "A=1 a=2"},
		{"tabs round a pair", "\ta=1\t;\tb=2", "a=1 b=2"},
	} {
		r := &Request{&heldRequest{head: *headOf(t, "Cookie: "+c.line)}}
		var got []string
		for n, v := range r.Cookies() {
			got = append(got, n+"="+v)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q: %q, want %q", c.section, c.line, s, c.want)
		}
	}
	r := &Request{&heldRequest{head: *headOf(t, "Cookie: a=1", "X: y", "COOKIE: b=2; a=3")}}
	if v, ok := r.Cookie("b"); v != "2" || !ok {
		t.Errorf("b in the second field: %q, %v", v, ok)
	}
	if v, _ := r.Cookie("a"); v != "1" {
		t.Errorf("a: %q, want the first", v)
	}
	if v, ok := r.Cookie("B"); ok {
		t.Errorf("B: %q, want none", v)
	}
	if n := testing.AllocsPerRun(100, func() { r.Cookie("none") }); n > 0 {
		t.Errorf("a cookie that is not there: %v allocations", n)
	}
}

// FuzzCookies compares with net/http. It differs where there is no cookie-pair: a part
// without = is a cookie without a value there and none here, and blanks between name and
// = are trimmed there.
func FuzzCookies(f *testing.F) {
	for _, s := range []string{"a=1; b=2", `a="x"; b`, ";;=;a=,", "a=1;\tb=2", `a="`, "a=\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if !all(line, classValue) || strings.ContainsRune(line, '\t') {
			return
		}
		var got, want []string
		cookiesOf([]byte(line), func(n, v []byte) bool {
			got = append(got, string(n)+"="+string(v))
			return true
		})
		pairs := slices.DeleteFunc(strings.Split(line, ";"), func(p string) bool {
			name, _, ok := strings.Cut(p, "=")
			return !ok || strings.HasSuffix(name, " ")
		})
		for _, c := range (&http.Request{Header: http.Header{"Cookie": {strings.Join(pairs, ";")}}}).Cookies() {
			want = append(want, c.Name+"="+c.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, net/http %q", line, got, want)
		}
	})
}

func TestSetCookie(t *testing.T) {
	for _, c := range []struct {
		c    Cookie
		want string
	}{
		{Cookie{Name: "id", Value: "1"}, "id=1; Path=/; Secure; HttpOnly; SameSite=Lax"},
		{Cookie{Name: "__Host-id", Value: "1", SameSite: SameSiteStrict, MaxAge: time.Hour}, "__Host-id=1; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Strict"},
		{Cookie{Name: "id", MaxAge: -1, Path: "/a", Domain: "example.org"}, "id=; Path=/a; Domain=example.org; Max-Age=0; Secure; HttpOnly; SameSite=Lax"},
		{Cookie{Name: "id", Value: "1", PlainHTTP: true, ScriptAccess: true}, "id=1; Path=/; SameSite=Lax"},
		{Cookie{Name: "id", Value: "1", SameSite: SameSiteNone, Partitioned: true}, "id=1; Path=/; Secure; HttpOnly; SameSite=None; Partitioned"},
		{Cookie{Name: "__secure-id", Value: "1", Domain: "a-1.example"}, "__secure-id=1; Path=/; Domain=a-1.example; Secure; HttpOnly; SameSite=Lax"},
	} {
		w := &Response{&heldResponse{length: -1}}
		if err := w.SetCookie(c.c); err != nil {
			t.Errorf("%+v: %v", c.c, err)
			continue
		}
		if got := w.HeaderValue("Set-Cookie"); got != c.want {
			t.Errorf("%+v: %q, want %q", c.c, got, c.want)
		}
		// net/http reads the same out of it
		p, err := http.ParseSetCookie(c.want)
		if err != nil || p.Name != c.c.Name || p.Value != c.c.Value || p.Secure == c.c.PlainHTTP || p.HttpOnly == c.c.ScriptAccess || p.Domain != c.c.Domain || p.Partitioned != c.c.Partitioned {
			t.Errorf("%q: net/http reads %+v, %v", c.want, p, err)
		}
	}
	long := strings.Repeat("x", 4096)
	for _, c := range []Cookie{
		{}, {Name: "a b"}, {Name: "a=b"}, {Name: "a\r\nX: y"},
		{Name: "a", Value: "x;y"}, {Name: "a", Value: "x y"}, {Name: "a", Value: "x,y"}, {Name: "a", Value: `"x"`}, {Name: "a", Value: "x\r\nSet-Cookie: b=1"}, {Name: "a", Value: "é"}, {Name: "a", Value: long},
		{Name: "a", Path: "x"}, {Name: "a", Path: "/;x"}, {Name: "a", Path: "/\r\n"}, {Name: "a", Path: "/" + long},
		{Name: "a", Domain: ".example.org"}, {Name: "a", Domain: "exa mple"}, {Name: "a", Domain: "a..b"}, {Name: "a", Domain: "-a.b"}, {Name: "a", Domain: "a;b"},
		{Name: "a", MaxAge: time.Millisecond}, {Name: "a", SameSite: 9},
		{Name: "a", SameSite: SameSiteNone, PlainHTTP: true}, {Name: "a", Partitioned: true, PlainHTTP: true},
		{Name: "__Host-a", PlainHTTP: true}, {Name: "__HOST-a", Path: "/x"}, {Name: "__Host-a", Domain: "example.org"}, {Name: "__Secure-a", PlainHTTP: true},
	} {
		w := &Response{&heldResponse{length: -1}}
		if err := w.SetCookie(c); !errors.Is(err, ErrCookie) || len(w.fields) != 0 {
			t.Errorf("%+.60v: %v, fields %q", c, err, w.fields)
		}
	}
	w := &Response{&heldResponse{length: -1}}
	for _, c := range []Cookie{{Name: "a", Value: "1"}, {Name: "ab", Value: "2"}, {Name: "a", Value: "3"}} {
		if err := w.SetCookie(c); err != nil {
			t.Fatal(err)
		}
	}
	if s := string(w.fields); strings.Count(s, "Set-Cookie: a=") != 1 || !strings.Contains(s, "a=3;") || !strings.Contains(s, "ab=2;") {
		t.Errorf("twice the same name: %q", s)
	}
}
