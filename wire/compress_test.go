package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

var longText = []byte(strings.Repeat("A line of text that compresses well.\n", 200))

func gunzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compressed(t testing.TB, cfg CompressConfig, h Handler) (addr string) {
	t.Helper()
	z, err := Compress(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// RequestID stands outside and has looked at the head before
	addr, _ = serveCases(t, func(c *Config) { c.Handler = RequestID()(z(h)) })
	return addr
}

func TestCompress(t *testing.T) {
	send := func(fields ...string) Handler {
		return func(w *Response, r *Request) error {
			for i := 0; i < len(fields); i += 2 {
				if err := w.SetHeader(fields[i], fields[i+1]); err != nil {
					return err
				}
			}
			return w.Send(200, "text/plain; charset=utf-8", longText)
		}
	}
	noise := make([]byte, 2000) // no repetition of three bytes: gzip only makes it longer
	for i := range noise {
		noise[i] = byte(i * i * 7 >> 3)
	}
	const gz = "Accept-Encoding: gzip\r\n"
	for _, c := range []struct {
		what, fields string
		h            Handler
		gzip         bool
		vary         bool
		has          string // a response field line
	}{
		{"taken", gz, send(), true, true, ""},
		{"no Accept-Encoding", "", send(), false, true, ""},
		{"q=0", "Accept-Encoding: gzip;q=0\r\n", send(), false, true, ""},
		{"any", "Accept-Encoding: *\r\n", send(), true, true, ""},
		{"identity liked better", "Accept-Encoding: gzip;q=0.5, identity\r\n", send(), false, true, ""},
		{"strong ETag", gz, send("ETag", `"1"`), true, true, `Etag: "1+gzip"`},
		{"strong ETag, plain", "", send("ETag", `"1"`), false, true, `Etag: "1"`},
		{"weak ETag", gz, send("ETag", `W/"1"`), true, true, `Etag: W/"1"`},
		{"no ranges of the coded form", gz, send("Accept-Ranges", "bytes"), true, true, ""},
		{"Content-Length of the plain form goes", gz, send("Content-Length", fmt.Sprint(len(longText))), true, true, ""},
		{"Vary is kept", gz, send("Vary", "Origin"), true, true, "Vary: Origin"},
		{"Vary is not doubled", gz, send("Vary", "Accept-Encoding, Origin"), true, true, ""},
		{"other Content-Encoding", gz, send("Content-Encoding", "br"), false, false, "Content-Encoding: br"},
		{"no-transform", gz, send("Cache-Control", "private, No-Transform"), false, false, ""},
		{"digest", gz, send("Content-Digest", "sha-256=:AAAA:"), false, false, ""},
		{"event stream", gz, func(w *Response, r *Request) error { return w.Send(200, "text/event-stream", longText) }, false, false, ""},
		{"image", gz, func(w *Response, r *Request) error { return w.Send(200, "image/png", longText) }, false, false, ""},
		{"suffix", gz, func(w *Response, r *Request) error { return w.Send(200, "application/problem+json", longText) }, true, true, ""},
		{"no type", gz, func(w *Response, r *Request) error { return w.Send(200, "", longText) }, false, false, ""},
		{"short", gz, func(w *Response, r *Request) error { return w.Send(200, "text/plain", longText[:1023]) }, false, true, ""},
		{"long enough", gz, func(w *Response, r *Request) error { return w.Send(200, "text/plain", longText[:1024]) }, true, true, ""},
		{"short, but identity is refused", "Accept-Encoding: gzip, identity;q=0\r\n", func(w *Response, r *Request) error { return w.Send(200, "text/plain", longText[:20]) }, true, true, ""},
		{"empty", gz, func(w *Response, r *Request) error { return w.Send(200, "text/plain", nil) }, false, true, ""},
		{"does not get shorter", gz, func(w *Response, r *Request) error { return w.Send(200, "text/plain", noise[:1024]) }, false, true, ""},
		{"range", gz, func(w *Response, r *Request) error {
			w.SetHeader("Content-Range", fmt.Sprintf("bytes 0-%d/100000", len(longText)-1))
			return w.Send(206, "text/plain", longText)
		}, false, false, ""},
		{"not found page", gz, func(w *Response, r *Request) error { return w.Send(404, "text/html", longText) }, true, true, ""},
		{"handler wants none", gz, func(w *Response, r *Request) error {
			w.NoCompress()
			return w.Send(200, "text/html", longText)
		}, false, false, ""},
		{"trailers", gz, func(w *Response, r *Request) error {
			if err := w.Trailer("X-Sum", "1"); err != nil {
				return err
			}
			return w.Send(200, "text/html", longText)
		}, true, true, ""},
	} {
		addr := compressed(t, CompressConfig{}, c.h)
		_, do := dial(t, addr)
		for range 2 { // the second uses a pooled coder, on the same connection
			resp := do("GET / HTTP/1.1\r\nHost: t\r\n" + c.fields + "\r\n")
			body := []byte(text(t, resp))
			got := resp.Header.Get("Content-Encoding") == "gzip"
			if got != c.gzip {
				t.Errorf("%s: gzip is %v, want %v: %v", c.what, got, c.gzip, resp.Header)
				continue
			}
			if got {
				plain := gunzipped(t, body)
				if len(plain) > len(longText) || !bytes.Equal(plain, longText[:len(plain)]) {
					t.Errorf("%s: decodes to %d other bytes", c.what, len(plain))
				}
				if resp.Header.Get("Accept-Ranges") != "" {
					t.Errorf("%s: ranges of the coded form are promised", c.what)
				}
				if resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) {
					t.Errorf("%s: Content-Length %d for %d bytes", c.what, resp.ContentLength, len(body))
				}
			}
			if n := strings.Count(strings.Join(resp.Header["Vary"], ","), "Accept-Encoding"); (n == 1) != c.vary {
				t.Errorf("%s: Vary %q", c.what, resp.Header["Vary"])
			}
			var lines bytes.Buffer
			resp.Header.Write(&lines)
			if c.has != "" && !strings.Contains(lines.String(), c.has+"\r\n") {
				t.Errorf("%s: no %q in %q", c.what, c.has, lines.String())
			}
		}
	}
}

func TestCompressRefusals(t *testing.T) {
	addr := compressed(t, CompressConfig{}, func(w *Response, r *Request) error { return w.Send(200, "text/plain", longText) })
	_, do := dial(t, addr)
	for _, line := range []string{"*;q=0", "identity;q=0", "br, identity;q=0"} {
		if resp := do("GET / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: " + line + "\r\n\r\n"); resp.StatusCode != 406 || resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %d %v", line, resp.StatusCode, resp.Header)
		}
	}
	for _, cfg := range []CompressConfig{{Level: -1}, {Level: 10}, {MinBytes: -1}} {
		if _, err := Compress(cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}

// TestCompressHead: HEAD gets the fields of GET.
func TestCompressHead(t *testing.T) {
	for name, h := range map[string]Handler{
		"written": func(w *Response, r *Request) error { return w.Send(200, "text/plain", longText) },
		"announced": func(w *Response, r *Request) error {
			w.SetHeader("Content-Type", "text/plain")
			w.SetHeader("Content-Length", fmt.Sprint(len(longText)))
			if r.Method() == "HEAD" {
				return nil
			}
			_, err := w.Write(longText)
			return err
		},
	} {
		nc, do := dial(t, compressed(t, CompressConfig{}, h))
		get := do("GET / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n")
		if _, err := io.WriteString(nc, "HEAD / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(nc)
		if err != nil {
			t.Fatal(err)
		}
		head, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), &http.Request{Method: "HEAD"})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(all, []byte("\r\n\r\n")) || head.Header.Get("Content-Encoding") != "gzip" || get.Header.Get("Content-Encoding") != "gzip" || head.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %q", name, all)
		}
		if head.ContentLength >= 0 && head.ContentLength != get.ContentLength {
			t.Errorf("%s: HEAD says %d bytes, GET sends %d", name, head.ContentLength, get.ContentLength)
		}
	}
}

// TestCompressFlush: what was flushed can be decoded before more comes, and a large
// response is not held back.
func TestCompressFlush(t *testing.T) {
	next := make(chan bool)
	addr := compressed(t, CompressConfig{}, func(w *Response, r *Request) error {
		w.SetHeader("Content-Type", "application/x-ndjson")
		for range 3 {
			if _, err := w.WriteString(`{"line":1}` + "\n"); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
			<-next
		}
		for range 50 {
			if _, err := w.Write(longText); err != nil {
				return err
			}
		}
		return nil
	})
	nc, _ := dial(t, addr)
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(zr)
	for range 3 {
		if s, err := lines.ReadString('\n'); s != `{"line":1}`+"\n" {
			t.Fatalf("%q, %v", s, err)
		}
		next <- true
	}
	if rest, err := io.ReadAll(lines); err != nil || !bytes.Equal(rest, bytes.Repeat(longText, 50)) {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
}

// TestCompressBroken: a response that breaks off never looks whole.
func TestCompressBroken(t *testing.T) {
	for name, h := range map[string]Handler{
		"error": func(w *Response, r *Request) error {
			w.SetHeader("Content-Type", "text/plain")
			w.Write(longText)
			w.Flush()
			return io.ErrClosedPipe
		},
		"fewer bytes than announced": func(w *Response, r *Request) error {
			w.SetHeader("Content-Type", "text/plain")
			w.SetHeader("Content-Length", "100000")
			w.Write(longText)
			return w.Flush()
		},
	} {
		nc, _ := dial(t, compressed(t, CompressConfig{}, h))
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: %v, want a cut", name, err)
		}
	}
}

// TestCompressConditional: the tag a client got with the compressed form works in its
// conditional requests, while ranges of the two forms do not mix.
func TestCompressConditional(t *testing.T) {
	seen := ""
	addr := compressed(t, CompressConfig{}, func(w *Response, r *Request) error {
		seen = r.Header("If-Match") + "|" + strings.ReplaceAll(r.Header("If-None-Match"), " ", "") + "|" + r.Header("If-Range")
		w.SetHeader("ETag", `"7"`)
		if r.HasHeader("If-None-Match") {
			w.Status(304)
			return nil
		}
		return w.Send(200, "text/plain", longText)
	})
	_, do := dial(t, addr)
	for _, c := range []struct{ fields, seen, tag string }{
		{"Accept-Encoding: gzip\r\nIf-None-Match: \"7+gzip\"\r\n", `|"7"|`, `"7+gzip"`},
		{"If-None-Match: \"7+gzip\"\r\n", `|"7"|`, `"7"`},
		{"Accept-Encoding: gzip\r\nIf-None-Match: \"7\"\r\n", `|"7"|`, `"7"`},
		{"Accept-Encoding: gzip\r\nIf-None-Match: \"6+gzip\",W/\"7+gzip\", \"x\"\r\n", `|"6",W/"7","x"|`, `"7+gzip"`},
		{"Accept-Encoding: gzip\r\nIf-Match: \"7+gzip\"\r\n", `"7"||`, `"7+gzip"`},
		{"Accept-Encoding: gzip\r\nIf-Range: \"7+gzip\"\r\n", `||"7+gzip"`, `"7+gzip"`},
		{"Accept-Encoding: gzip\r\nIf-Match: \"+gzip\r\n", "\"+gzip||", `"7+gzip"`},
	} {
		resp := do("GET / HTTP/1.1\r\nHost: t\r\n" + c.fields + "\r\n")
		if strings.ReplaceAll(seen, " ", "") != c.seen || resp.Header.Get("ETag") != c.tag {
			t.Errorf("%q: the handler saw %q, the client got %q", c.fields, seen, resp.Header.Get("ETag"))
		}
	}
}

func TestCompressAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget at random under the race detector")
	}
	addr := compressed(t, CompressConfig{Level: 1}, func(w *Response, r *Request) error { return w.Send(200, "text/plain", longText) })
	if n := exchange(t, addr, "GET / HTTP/1.1\r\nHost: t\r\nX-Request-Id: 1\r\nAccept-Encoding: gzip\r\n\r\n"); n > 2 {
		t.Errorf("%v allocations per compressed response, want the request id and at most one more", n)
	}
}

func BenchmarkCompress(b *testing.B) {
	g := &gzipCoder{z: &compressor{CompressConfig: CompressConfig{Level: 6}}}
	b.Run("pooled", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(longText)))
		for b.Loop() {
			g.open()
			g.code(longText, codeEnd)
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(longText)))
		for b.Loop() {
			g := &gzipCoder{z: g.z}
			g.open()
			g.code(longText, codeEnd)
		}
	})
}
