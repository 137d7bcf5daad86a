package wire

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, bad := range []string{"", "example.org", "null", "https://*.org", "https://a.example/path"} {
		if _, err := NewOrigins(bad); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
	lists := map[string][]string{
		"own":  nil,
		"list": {"https://app.example.org", "https://*.example.com", "http://localhost:*"},
		"any":  {"*"},
	}
	var o *Origins
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			if !o.Allow(r) {
				return &Error{Status: 403}
			}
			return w.Send(200, "text/plain", nil)
		}
	})
	for _, c := range []struct {
		list, host, origin string
		want               int
	}{
		{"own", "a.example", "", 200},
		{"own", "a.example", "https://a.example", 200},
		{"own", "a.example", "HTTPS://A.EXAMPLE", 200},
		{"own", "a.example:443", "https://a.example", 200},
		{"own", "a.example:8080", "http://a.example:8080", 200},
		{"own", "a.example", "http://a.example:8080", 403},
		{"own", "a.example", "https://b.example", 403},
		{"own", "a.example", "https://a.example.evil.example", 403},
		{"own", "a.example", "null", 403},
		{"own", "a.example", "https://a.example\r\nOrigin: https://a.example", 403},
		{"list", "a.example", "https://a.example", 200},
		{"list", "a.example", "https://app.example.org", 200},
		{"list", "a.example", "http://app.example.org", 403},
		{"list", "a.example", "https://x.y.example.com", 200},
		{"list", "a.example", "https://example.com", 403},
		{"list", "a.example", "http://localhost:5173", 200},
		{"any", "a.example", "https://evil.example", 200},
		{"any", "a.example", "null", 200},
	} {
		var err error
		if o, err = NewOrigins(lists[c.list]...); err != nil {
			t.Fatal(err)
		}
		nc, do := dial(t, addr)
		line := ""
		if c.origin != "" {
			line = "Origin: " + c.origin + "\r\n"
		}
		resp := do("GET / HTTP/1.1\r\nHost: " + c.host + "\r\n" + line + "\r\n")
		io.Copy(io.Discard, resp.Body)
		nc.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s, host %s, origin %s: %s, want %d", c.list, c.host, strings.ReplaceAll(c.origin, "\r\n", " "), http.StatusText(resp.StatusCode), c.want)
		}
	}
}
