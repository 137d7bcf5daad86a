package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseOrigin(t *testing.T) {
	for _, c := range []struct {
		in, want string // "" must fail
	}{
		{"https://example.org", "https://example.org"}, {"https://example.org:443", "https://example.org"}, {"http://EXAMPLE.org:080", "http://example.org"},
		{"http://example.org:8080", "http://example.org:8080"}, {"http://[::1]", "http://[::1]"}, {"http://[::1]:8080", "http://[::1]:8080"}, {"http://127.0.0.1:1", "http://127.0.0.1:1"},
		{"app+x://host_1", "app+x://host_1"}, {"http://localhost", "http://localhost"},
		{"null", ""}, {"", ""}, {"example.org", ""}, {"https://", ""}, {"https://example.org/", ""}, {"https://example.org/x", ""}, {"https://a@example.org", ""},
		{"https://example.org?x", ""}, {"https://example.org#x", ""}, {"https://example.org:", ""}, {"https://example.org:x", ""}, {"https://example.org:65536", ""}, {"https://example.org:0", ""},
		{"https://example..org", ""}, {"https://.example.org", ""}, {"https://example.org.", ""}, {"https://ex ample.org", ""}, {"https://[::1", ""}, {"https://::1", ""},
		{"https://[127.0.0.1]", ""}, {"https://[fe80::1%25eth0]", ""}, {"1http://x", ""}, {"ht tp://x", ""}, {"https://éxample.org", ""}, {"https://a,b", ""}, {"https://*.example.org", ""}, {"https://a\x00", ""},
	} {
		o, ok := parseOrigin(c.in)
		if ok != (c.want != "") || ok && o.String() != c.want {
			t.Errorf("%q: %q, %v; want %q", c.in, o, ok, c.want)
		}
	}
}

// TestOriginPatterns tries the ways in which a list of origins is taken for a wider one.
func TestOriginPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, origin string
		want            bool
	}{
		{"https://*.example.org", "https://a.example.org", true}, {"https://*.example.org", "https://a.b-c.example.org", true}, {"https://*.Example.org", "https://a.example.org", true},
		{"https://*.example.org", "https://example.org", false}, {"https://*.example.org", "https://evilexample.org", false}, {"https://*.example.org", "https://example.org.evil.net", false},
		{"https://*.example.org", "https://a.example.org.evil.net", false}, {"https://*.example.org", "https://a.example.orgx", false}, {"https://*.example.org", "http://a.example.org", false},
		{"https://*.example.org", "https://a.example.org:8443", false}, {"https://*.example.org:8443", "https://a.example.org:8443", true}, {"https://*.example.org:8443", "https://a.example.org", false},
		{"https://*.example.org", "https://evil.net/.example.org", false}, {"https://*.example.org", "https://evil.net?.example.org", false}, {"https://*.example.org", "https://evil.net#.example.org", false},
		{"https://*.example.org", "https://evil.net@a.example.org", false}, {"https://*.example.org", "https://.example.org", false}, {"https://*.example.org", "https://a..example.org", false},
		{"https://*.example.org", "null", false}, {"https://*.example.org", "", false}, {"https://*.example.org", "https://*.example.org", false}, {"https://*.example.org", "https://a_b.example.org", true},
		{"https://*.example.org", "https://evil.net\\.example.org", false}, {"https://*.example.org", "https://evil.net%2f.example.org", false}, {"https://*.example.org", "https://A.EXAMPLE.ORG", false},
		{"http://localhost:*", "http://localhost:5173", true}, {"http://localhost:*", "http://localhost", true}, {"http://localhost:*", "http://localhost.evil.net:5173", false}, {"http://localhost:*", "https://localhost:5173", false},
		{"http://localhost:*", "http://localhost:", false}, {"http://localhost:*", "http://localhost:5173x", false}, {"http://[::1]:*", "http://[::1]:99", true}, {"http://*.localhost:*", "http://a.localhost:1", true},
		{"https://example.org", "https://example.org", true}, {"https://example.org:443", "https://example.org", true}, {"https://example.org", "https://example.org:443", false}, // no browser writes that
		{"https://example.org", "https://sub.example.org", false}, {"https://example.org", "https://example.org.", false}, {"https://example.org", "https://EXAMPLE.org", false},
	} {
		cs := &cors{cfg: CORSConfig{Origins: []string{c.pattern}}, exact: map[string]string{}}
		if err := cs.prepare(); err != nil {
			t.Fatalf("%s: %v", c.pattern, err)
		}
		if !all(c.origin, classValue) {
			t.Fatalf("%q cannot be sent", c.origin)
		}
		r := &Request{&heldRequest{head: *headWith(t, "Origin: "+c.origin)}}
		if o, ok := cs.allowed(r); ok != c.want || ok && o != c.origin {
			t.Errorf("%s and %q: %q, %v, want %v", c.pattern, c.origin, o, ok, c.want)
		}
	}
}

func TestCORSRefusesUnsafeConfigurations(t *testing.T) {
	for _, c := range []struct {
		cfg   CORSConfig
		field string
	}{
		{CORSConfig{Origins: []string{"*"}, Credentials: true}, "Origins"},
		{CORSConfig{Origins: []string{"*", "https://a.example"}}, "Origins"},
		{CORSConfig{Origins: []string{"*"}, AllowOrigin: func(*Request, string) bool { return true }}, "Origins"},
		{CORSConfig{Origins: []string{"null"}}, "Origins"}, {CORSConfig{Origins: []string{""}}, "Origins"}, {CORSConfig{Origins: []string{"example.org"}}, "Origins"},
		{CORSConfig{Origins: []string{"https://example.org/"}}, "Origins"}, {CORSConfig{Origins: []string{"https://*"}}, "Origins"}, {CORSConfig{Origins: []string{"https://*.org"}}, "Origins"},
		{CORSConfig{Origins: []string{"https://a.*.org"}}, "Origins"}, {CORSConfig{Origins: []string{"https://*example.org"}}, "Origins"}, {CORSConfig{Origins: []string{"http://*.0.0.1"}}, "Origins"},
		{CORSConfig{Origins: []string{"http://*.[::1]"}}, "Origins"}, {CORSConfig{Origins: []string{"http://a:80:*"}}, "Origins"}, {CORSConfig{Origins: []string{"http://*.*.example.org"}}, "Origins"},
		{CORSConfig{Methods: []string{"PUT, DELETE"}}, "Methods"}, {CORSConfig{Methods: []string{"*"}}, "Methods"}, {CORSConfig{Methods: []string{""}}, "Methods"},
		{CORSConfig{Headers: []string{"*"}, Credentials: true}, "Headers"}, {CORSConfig{Headers: []string{"X: y"}}, "Headers"}, {CORSConfig{Expose: []string{"a\r\nb"}}, "Expose"},
	} {
		if _, err := CORS(c.cfg); err == nil || !strings.Contains(err.Error(), "CORSConfig."+c.field+":") {
			t.Errorf("%+v: %v, want an error that names %s", c.cfg, err, c.field)
		}
	}
	if _, err := CORS(CORSConfig{}); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}

func TestCORS(t *testing.T) {
	rt := NewRouter()
	rt.Use(must(t)(CORS(CORSConfig{
		Origins: []string{"https://app.example.org", "https://*.example.net"}, Credentials: true, PrivateNetwork: true,
		AllowOrigin: func(r *Request, o string) bool { return o == "https://tenant.example" },
	})))
	if err := rt.Put("/x", answer); err != nil {
		t.Fatal(err)
	}
	closed := asker(t, must(t)(CORS(CORSConfig{Origins: []string{"https://app.example.org"}, Methods: []string{"DELETE"}, Headers: []string{"X-One"}, MaxAge: -1}))(answer))
	ask := asker(t, rt.Handler())
	pre := func(origin, rest string) string {
		return "OPTIONS /x HTTP/1.1\nOrigin: " + origin + "\n" + rest
	}
	const ok = "https://app.example.org"
	for _, c := range []struct {
		name, send string
		ask        func(string) *http.Response
		status     int
		want       []string // "Name: value", or "!Name" for one that is missing
	}{
		{"no origin", "PUT /x HTTP/1.1\nContent-Length: 0", ask, 200, []string{"Vary: Origin", "!Access-Control-Allow-Origin"}},
		{"allowed", "PUT /x HTTP/1.1\nContent-Length: 0\nOrigin: " + ok, ask, 200, []string{"Access-Control-Allow-Origin: " + ok, "Access-Control-Allow-Credentials: true", "Vary: Origin", "Access-Control-Expose-Headers: ETag, Location, Lithair-Index, Retry-After, X-Request-Id"}},
		{"subdomain", "PUT /x HTTP/1.1\nContent-Length: 0\nOrigin: https://a.example.net", ask, 200, []string{"Access-Control-Allow-Origin: https://a.example.net"}},
		{"asked about", "PUT /x HTTP/1.1\nContent-Length: 0\nOrigin: https://tenant.example", ask, 200, []string{"Access-Control-Allow-Origin: https://tenant.example"}},
		{"not allowed", "PUT /x HTTP/1.1\nContent-Length: 0\nOrigin: https://evil.example", ask, 200, []string{"Vary: Origin", "!Access-Control-Allow-Origin", "!Access-Control-Allow-Credentials", "!Access-Control-Expose-Headers"}},
		{"null", "PUT /x HTTP/1.1\nContent-Length: 0\nOrigin: null", ask, 200, []string{"!Access-Control-Allow-Origin"}},
		{"two origins", "PUT /x HTTP/1.1\nContent-Length: 0\nOrigin: " + ok + "\nOrigin: https://evil.example", ask, 200, []string{"!Access-Control-Allow-Origin"}},
		{"errors are marked", "GET /none HTTP/1.1\nOrigin: " + ok, ask, 404, []string{"Access-Control-Allow-Origin: " + ok, "Vary: Origin"}},
		{"plain OPTIONS", "OPTIONS /x HTTP/1.1\nOrigin: " + ok, ask, 204, []string{"Allow: OPTIONS, PUT", "Access-Control-Allow-Origin: " + ok, "!Access-Control-Allow-Methods"}},
		{"preflight", pre(ok, "Access-Control-Request-Method: PUT\nAccess-Control-Request-Headers: content-type,if-match"), ask, 204,
			[]string{"Access-Control-Allow-Origin: " + ok, "Access-Control-Allow-Methods: PUT, PATCH, DELETE", "Access-Control-Allow-Headers: Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match", "Access-Control-Max-Age: 600", "Access-Control-Allow-Credentials: true", "Vary: " + varyPreflight, "!Access-Control-Allow-Private-Network", "!Access-Control-Expose-Headers"}},
		{"preflight for a simple method", pre(ok, "Access-Control-Request-Method: POST"), ask, 204, nil},
		{"preflight to a private network", pre(ok, "Access-Control-Request-Method: PUT\nAccess-Control-Request-Private-Network: true"), ask, 204, []string{"Access-Control-Allow-Private-Network: true"}},
		{"private network closed", pre(ok, "Access-Control-Request-Method: DELETE\nAccess-Control-Request-Private-Network: true"), closed, 403, []string{"!Access-Control-Allow-Private-Network"}},
		{"preflight of another origin", pre("https://evil.example", "Access-Control-Request-Method: PUT"), ask, 403, []string{"!Access-Control-Allow-Origin", "!Access-Control-Allow-Methods", "Vary: " + varyPreflight}},
		{"method not allowed", pre(ok, "Access-Control-Request-Method: TRACE"), ask, 403, []string{"!Access-Control-Allow-Methods"}},
		{"methods have a case", pre(ok, "Access-Control-Request-Method: put"), ask, 403, nil},
		{"no method", pre(ok, "Access-Control-Request-Method:"), ask, 403, nil},
		{"own list of methods", pre(ok, "Access-Control-Request-Method: PUT"), closed, 403, nil},
		{"own list of methods, allowed", pre(ok, "Access-Control-Request-Method: DELETE"), closed, 204, []string{"Access-Control-Allow-Methods: DELETE", "Access-Control-Max-Age: 0", "!Access-Control-Allow-Credentials"}},
		{"header not allowed", pre(ok, "Access-Control-Request-Method: PUT\nAccess-Control-Request-Headers: content-type,x-evil"), ask, 403, []string{"!Access-Control-Allow-Headers"}},
		{"header not allowed, second line", pre(ok, "Access-Control-Request-Method: DELETE\nAccess-Control-Request-Headers: x-one\nAccess-Control-Request-Headers: x-two"), closed, 403, nil},
		{"malformed header list", pre(ok, "Access-Control-Request-Method: DELETE\nAccess-Control-Request-Headers: x-one x-one"), closed, 403, nil},
	} {
		resp := c.ask(c.send)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.status)
		}
		for _, w := range c.want {
			if name, missing := strings.CutPrefix(w, "!"); missing {
				if v := resp.Header[name]; len(v) > 0 {
					t.Errorf("%s: %s: %q, want none", c.name, name, v)
				}
				continue
			}
			name, value, _ := strings.Cut(w, ": ")
			if v := resp.Header.Values(name); !slices.Equal(v, []string{value}) {
				t.Errorf("%s: %s: %q, want %q", c.name, name, v, value)
			}
		}
	}
}

func TestCORSForAll(t *testing.T) {
	ask := asker(t, must(t)(CORS(CORSConfig{Origins: []string{"*"}, Headers: []string{"*"}, MaxAge: time.Hour}))(answer))
	for _, fields := range []string{"X: y", "Origin: null", "Origin: https://any.example"} { // caches hold one response for all
		if h := ask("GET / HTTP/1.1\n" + fields).Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Vary") != "" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", fields, h)
		}
	}
	const pre = "OPTIONS / HTTP/1.1\nOrigin: https://any.example\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: "
	if resp := ask(pre + "x-any"); resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Headers") != "*" || resp.Header.Get("Access-Control-Max-Age") != "3600" {
		t.Errorf("any header: %d %v", resp.StatusCode, resp.Header)
	}
	if resp := ask(pre + "authorization"); resp.StatusCode != 403 { // the Fetch standard: * does not cover it
		t.Errorf("Authorization: %d", resp.StatusCode)
	}
}

// FuzzOriginPattern holds the patterns against package url: an origin that one allows is a
// URL of nothing but that scheme, a host under that domain, and that port.
func FuzzOriginPattern(f *testing.F) {
	for _, s := range []string{"https://a.example.org", "https://evil.net/.example.org", "https://a.example.org:443", "https://example.org", "https://[::1].example.org", "https://a.example.org:", "https://a@b.example.org", "HTTPS://a.example.org"} {
		f.Add(s)
	}
	c := &cors{cfg: CORSConfig{Origins: []string{"https://*.example.org", "https://exact.example:8443", "http://localhost:*"}}, exact: map[string]string{}}
	if err := c.prepare(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Trim(s, " \t") != s || !all(s, classValue) {
			return
		}
		if _, ok := c.allowed(&Request{&heldRequest{head: *headWith(t, "Origin: "+s)}}); !ok {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" || strings.ToLower(s) != s {
			t.Fatalf("%q is allowed: %+v, %v", s, u, err)
		}
		sub := u.Scheme == "https" && strings.HasSuffix(u.Host, ".example.org")
		if !sub && s != "https://exact.example:8443" && !(u.Scheme == "http" && u.Hostname() == "localhost") {
			t.Fatalf("%q is allowed", s)
		}
	})
}
