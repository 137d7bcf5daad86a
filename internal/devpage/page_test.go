package devpage

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/wire"
)

// serve serves a handler until the test ends, and returns its URL.
func serve(t *testing.T, h wire.Handler) string {
	t.Helper()
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served // that it is closed
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// TestWrap: a page gets the script, and what is no page stays as it is.
func TestWrap(t *testing.T) {
	send := func(kind, body string, more ...string) wire.Handler {
		return func(w *wire.Response, _ *wire.Request) error {
			for i := 0; i < len(more); i += 2 {
				if err := w.SetHeader(more[i], more[i+1]); err != nil {
					return err
				}
			}
			if err := w.SetHeader("Content-Type", kind); err != nil {
				return err
			}
			_, err := w.WriteString(body)
			return err
		}
	}
	const html = "text/html; charset=utf-8"
	for _, c := range []struct {
		name     string
		next     wire.Handler
		status   int
		tagged   bool
		etag     string
		policies string
	}{
		{"a page", send(html, "<p>x"), 200, true, "", ""},
		{"a page with a validator, which is of another text", send(html, "<p>x", "ETag", `"1"`), 200, true, "", ""},
		{"a page with a policy", send(html, "<p>x", "Content-Security-Policy", "default-src 'none'"), 200, true, "", "default-src 'none'; script-src 'self'; connect-src 'self'"},
		{"a page that has begun", func(w *wire.Response, r *wire.Request) error {
			if err := send(html, "<p>x")(w, r); err != nil {
				return err
			}
			return w.Flush()
		}, 200, true, "", ""},
		{"text", send("text/plain", "x", "ETag", `"1"`), 200, false, `"1"`, ""},
		{"a page that is encoded", send(html, "x", "Content-Encoding", "br"), 200, false, "", ""},
		{"nothing", func(w *wire.Response, _ *wire.Request) error { w.Status(204); return nil }, 204, false, "", ""},
		{"a page that has not changed", func(w *wire.Response, _ *wire.Request) error {
			w.Status(304)
			return w.SetHeader("Content-Type", html)
		}, 304, false, "", ""},
		{"an error", func(*wire.Response, *wire.Request) error { return &wire.Error{Status: 418, Detail: "tea"} }, 418, false, "", ""},
	} {
		resp, body := get(t, serve(t, Wrap("none", c.next))+"/")
		if tagged := strings.HasSuffix(body, tag); tagged != c.tagged || resp.StatusCode != c.status || resp.Header.Get("ETag") != c.etag || resp.Header.Get("Content-Security-Policy") != c.policies {
			t.Errorf("%s: %d %v %q", c.name, resp.StatusCode, resp.Header, body)
		}
	}
	resp, body := get(t, serve(t, Wrap("none", send("text/plain", "next")))+Base+"/script.js")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || resp.Header.Get("Cache-Control") != "no-store" || body != script {
		t.Errorf("the script: %d %v %q", resp.StatusCode, resp.Header, body)
	}
}

// TestEvents: a page hears who serves at once, and then what is wrong whenever that changes.
func TestEvents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	url := serve(t, Broken(file))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url+Base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	event := func() (name string, data []string) { // up to the empty line behind it
		for lines.Scan() && (lines.Text() != "" || name == "") {
			if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = v
			}
			if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				data = append(data, v)
			}
		}
		return name, data
	}
	write := func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	name, data := event()
	if name != "state" || len(data) != 1 || data[0] != id {
		t.Errorf("first: %q %q, want %q", name, data, id)
	}
	for _, text := range []string{"main.go:1: no\nmain.go:2: no", "main.go:1: no", ""} {
		write(text)
		want := id
		if text != "" {
			want += "\n" + text
		}
		if name, data = event(); name != "state" || strings.Join(data, "\n") != want {
			t.Errorf("%q: %q %q", text, name, data)
		}
	}
}

// TestBroken: without a program, a page says what is wrong, as text.
func TestBroken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, []byte("x.go:1: a<b && c>d"), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, body := get(t, serve(t, Broken(file))+"/any/page")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, "x.go:1: a&lt;b &amp;&amp; c&gt;d") {
		t.Errorf("%d %v %q", resp.StatusCode, resp.Header, body)
	}
	if resp, _ := get(t, serve(t, Broken(filepath.Dir(file)))+"/"); resp.StatusCode != 500 {
		t.Errorf("a folder instead of the file: %d", resp.StatusCode)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("x", maxShown+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(file); err != nil || len(text) != maxShown {
		t.Errorf("a long text: %d bytes, %v; want %d", len(text), err, maxShown)
	}
}
