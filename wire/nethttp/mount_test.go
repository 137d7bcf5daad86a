package nethttp

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lithair/lithair-go/wire"
)

// TestMountRendersNoFields: a middleware in front may have put text of the client's into
// the parts of the request. None of it becomes a field of the request that wire sees.
func TestMountRendersNoFields(t *testing.T) {
	const end = " HTTP/1.1\r\nX-Injected: yes\r\nX: "
	h := Mount(func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/plain", []byte(r.Target()+" "+r.Header("X-Injected")))
	})
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		status int
		body   string
	}{
		{"nothing", func(r *http.Request) {}, 200, "/x "},
		{"escapes", func(r *http.Request) { r.URL.Path = "/a b\r\nc" }, 200, "/a%20b%0D%0Ac "},
		{"a field value", func(r *http.Request) { r.Header.Set("A", "b\r\nX-Injected: yes") }, 200, "/x "},
		{"a field name", func(r *http.Request) { r.Header["A: b\r\nX-Injected"] = []string{"yes"} }, 200, "/x "},
		{"query", func(r *http.Request) { r.URL.RawQuery = "a=b" + end }, 400, ""},
		{"query with a space", func(r *http.Request) { r.URL.RawQuery = "a b" }, 400, ""},
		{"opaque", func(r *http.Request) { r.URL.Opaque = "/x" + end }, 400, ""},
		{"host", func(r *http.Request) { r.Host = "t\r\nX-Injected: yes" }, 400, ""},
		{"method", func(r *http.Request) { r.Method = "GET /" + end }, 400, ""},
	} {
		r := httptest.NewRequest("GET", "/x", nil)
		c.change(r)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != c.status || c.status == 200 && rec.Body.String() != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.name, rec.Code, rec.Body, c.status, c.body)
		}
	}
}
