package wire

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func file(text string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(text), ModTime: changed, Mode: 0o644}
}

var site = fstest.MapFS{
	"index.html":              file("<p>front"),
	"app.js":                  file(strings.Repeat("let a = 1;\n", 500)),
	"notes.txt":               file("0123456789"),
	"empty.txt":               file(""),
	"docs/index.html":         file("<p>docs"),
	"docs/a b.txt":            file("blank"),
	"docs/été.txt":            file("accent"),
	"bare/x.txt":              file("x"),
	"a:b/index.html":          file("colon"),
	".env":                    file("SECRET"),
	"docs/.git/config":        file("SECRET"),
	".well-known/x.txt":       file("known"),
	"docs/.well-known/x":      file("SECRET"),
	"evil.example/index.html": file("no"),
	"pipe":                    {Mode: fs.ModeNamedPipe, ModTime: changed},
}

// pathCases: what a path as it is sent leads to. theirs is what http.FileServer says
// where it differs, 0 elsewhere.
var pathCases = []struct {
	path   string
	status int
	body   string // or the Location of a redirect
	theirs int
}{
	{"/", 200, "<p>front", 0},
	{"/index.html", 200, "<p>front", 301}, // no second address for it there
	{"/notes.txt", 200, "0123456789", 0},
	{"/notes.txt?x=1", 200, "0123456789", 0},
	{"/empty.txt", 200, "", 0},
	{"/docs", 301, "./docs/", 0},
	{"/docs?a=//b", 301, "./docs/?a=//b", 0},
	{"/docs/", 200, "<p>docs", 0},
	{"/docs/a%20b.txt", 200, "blank", 0},
	{"/docs/%C3%A9t%C3%A9.txt", 200, "accent", 0},
	{"/%6eotes.txt", 200, "0123456789", 0},
	{"/a:b", 301, "./a:b/", 0},
	{"/.well-known/x.txt", 200, "known", 0},
	{"/bare/", 404, "", 200}, // listings there
	{"/bare/x.txt", 200, "x", 0},
	{"/none", 404, "", 0},
	{"/notes.txt/", 404, "", 301},
	{"/notes.txt/x", 404, "", 0},
	{"/pipe", 404, "", 200},
	// traversal and its disguises (RELIABILITY 7.16)
	{"/../notes.txt", 404, "", 200},
	{"/docs/../notes.txt", 404, "", 200},
	{"/..", 404, "", 301},
	{"/%2e%2e/notes.txt", 404, "", 200},
	{"/docs/%2e%2e/notes.txt", 404, "", 200},
	{"/docs/.%2e/notes.txt", 404, "", 200},
	{"/docs%2f..%2fnotes.txt", 404, "", 200},
	{"/docs%2Findex.html", 404, "", 301},
	{"/docs/..%5cnotes.txt", 404, "", 404},
	{`/docs/..\notes.txt`, 404, "", 404},
	{"/./notes.txt", 404, "", 200},
	{"/docs/./index.html", 404, "", 301},
	{"//notes.txt", 404, "", 200},
	{"//evil.example", 404, "", 301},
	{"//evil.example/", 404, "", 200},
	{"///evil.example/", 404, "", 200},
	{`/\evil.example`, 404, "", 404},
	{"/%5cevil.example", 404, "", 404},
	{"/%2fevil.example", 404, "", 301},
	{"/docs//index.html", 404, "", 301},
	{"/notes.txt%00", 404, "", 404},
	{"/notes.txt%00.html", 404, "", 404},
	{"/notes.txt%0a", 404, "", 404},
	{"/%252e%252e/notes.txt", 404, "", 404},
	{"/%c0%ae%c0%ae/notes.txt", 404, "", 404}, // overlong UTF-8
	{"/etc/passwd", 404, "", 404},
	{"/C:/notes.txt", 404, "", 404},
	{"/.env", 404, "", 200},
	{"/docs/.git/config", 404, "", 200},
	{"/docs/.git/", 404, "", 200},
	{"/docs/.well-known/x", 404, "", 200},
	{"/" + strings.Repeat("a", 300), 404, "", 404},
	{"/" + strings.Repeat("a/", 2000), 404, "", 404},
}

func TestFilePaths(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) { c.Handler = FileServer(site, FileOptions{}) })
	_, do := dial(t, addr)
	theirs := http.FileServerFS(site)
	for _, c := range pathCases {
		resp := do("GET " + c.path + " HTTP/1.1\r\nHost: t\r\n\r\n")
		body := text(t, resp)
		if c.status == 301 {
			body = resp.Header.Get("Location")
			base, err := url.Parse("http://t" + c.path)
			if err != nil {
				t.Fatal(err)
			}
			if to, err := base.Parse(body); err != nil || to.Host != "t" || to.Scheme != "http" || to.Path != base.Path+"/" {
				t.Errorf("%s: redirected to %v, %v", c.path, to, err)
			}
		}
		if resp.StatusCode != c.status || c.status != 404 && body != c.body || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %d %q, want %d %q", c.path, resp.StatusCode, body, c.status, c.body)
		}
		if c.theirs == 404 || strings.Contains(c.path, `\`) {
			continue // not a request its parser takes, or no difference
		}
		w := httptest.NewRecorder()
		theirs.ServeHTTP(w, httptest.NewRequest("GET", "http://t"+c.path, nil))
		want := c.status
		if c.theirs != 0 {
			want = c.theirs
		}
		if w.Code != want {
			t.Errorf("%s: net/http says %d, the table %d", c.path, w.Code, want)
		}
	}
}

// osSite is a folder on disk with links that lead inside and out.
func osSite(t *testing.T) (dir string, fsys fs.FS) {
	t.Helper()
	base := t.TempDir()
	dir = filepath.Join(base, "public")
	for name, text := range map[string]string{"secret.txt": "SECRET", "public/in.txt": "inside", "public/d/index.html": "d"} {
		name = filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"link.txt": "in.txt", "out.txt": "../secret.txt", "abs.txt": filepath.Join(base, "secret.txt"), "up": "..", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return dir, root.FS()
}

func TestFileLinks(t *testing.T) {
	_, fsys := osSite(t)
	addr, _ := serveCases(t, func(c *Config) { c.Handler = FileServer(fsys, FileOptions{}) })
	_, do := dial(t, addr)
	for path, want := range map[string]string{
		"/in.txt": "inside", "/link.txt": "inside", "/d/": "d", "/out.txt": "", "/abs.txt": "", "/up/secret.txt": "", "/up/": "", "/loop": "", "/loop/x": "", "/in.txt/x": "", "/in.txt/x/y": "", "/none/x": "",
	} {
		resp := do("GET " + path + " HTTP/1.1\r\nHost: t\r\n\r\n")
		body := text(t, resp)
		if want == "" && resp.StatusCode != 404 || want != "" && (resp.StatusCode != 200 || body != want) || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %d %q, want %q", path, resp.StatusCode, body, want)
		}
	}
}

// faultyFS fails in its own way.
type faultyFS struct{ err error }

func (f faultyFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
}

type busy struct{}

func (busy) Error() string   { return "too many open files" }
func (busy) Temporary() bool { return true }

func TestFileFaults(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{{fs.ErrNotExist, 404}, {fs.ErrPermission, 404}, {io.ErrUnexpectedEOF, 500}, {busy{}, 503}} {
		addr, _ := serveCases(t, func(cfg *Config) { cfg.Handler = FileServer(faultyFS{c.err}, FileOptions{}) })
		_, do := dial(t, addr)
		resp := do("GET /x HTTP/1.1\r\nHost: t\r\n\r\n")
		if body := text(t, resp); resp.StatusCode != c.status || strings.Contains(body, c.err.Error()) {
			t.Errorf("%v: %d %q, want %d", c.err, resp.StatusCode, body, c.status)
		}
	}
}

func TestFileOptions(t *testing.T) {
	newer, older := changed.Add(time.Hour), changed.Add(-time.Hour)
	fsys := fstest.MapFS{
		"app.1a2b.js": file("script"), "page.html": file("<p>"), "pic.SVG": file("<svg/>"), "pic.png": file("png"), "x.unknown": file("?"), ".hidden": file("hidden"),
		"z.css": file("plain"), "z.css.br": {Data: []byte("BR"), ModTime: newer}, "z.css.gz": {Data: []byte("GZ"), ModTime: changed},
		"old.css": file("plain"), "old.css.br": {Data: []byte("BR"), ModTime: older},
		"orphan.css.br": file("BR"),
		"dir.css":       file("plain"), "dir.css.gz/x": file("x"),
	}
	addr, _ := serveCases(t, func(c *Config) {
		rt := NewRouter()
		all := FileOptions{
			Prefix: "/s", Hidden: true, Precompressed: true, CacheControl: "max-age=60", Untrusted: true,
			Immutable: func(name string) bool { return strings.Count(name, ".") == 2 && strings.HasPrefix(name, "app") },
			NotFound:  func(w *Response, r *Request) error { return w.ServeFile(r, site, "index.html") },
		}
		if err := rt.Get("/s/{path...}", FileServer(fsys, all)); err != nil {
			t.Fatal(err)
		}
		if err := rt.Handle("/d/{path...}", FileServer(fsys, FileOptions{Prefix: "/d/", Precompressed: true, Type: func(string) string { return "text/x" }})); err != nil {
			t.Fatal(err)
		}
		c.Handler = rt.Handler()
	})
	_, do := dial(t, addr)
	const both = "Accept-Encoding: gzip, br\r\n"
	for _, c := range []struct {
		method, path, fields string
		status               int
		body                 string
		want                 [][2]string // fields; "" means absent
	}{
		{"GET", "/s/app.1a2b.js", "", 200, "script", [][2]string{{"Cache-Control", "public, max-age=31536000, immutable"}, {"Content-Type", "text/javascript; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}}},
		{"GET", "/s/page.html", "", 200, "<p>", [][2]string{{"Cache-Control", "max-age=60"}, {"Content-Disposition", "attachment"}, {"Content-Security-Policy", "default-src 'none'; sandbox"}}},
		{"GET", "/s/pic.SVG", "", 200, "<svg/>", [][2]string{{"Content-Type", "image/svg+xml"}, {"Content-Disposition", "attachment"}}},
		{"GET", "/s/pic.png", "", 200, "png", [][2]string{{"Content-Type", "image/png"}, {"Content-Disposition", ""}, {"Content-Security-Policy", "default-src 'none'; sandbox"}}},
		{"GET", "/s/x.unknown", "", 200, "?", [][2]string{{"Content-Type", "application/octet-stream"}, {"Vary", ""}}},
		{"GET", "/s/.hidden", "", 200, "hidden", nil},
		{"GET", "/s/nothing/here", "", 200, "<p>front", [][2]string{{"Content-Type", "text/html; charset=utf-8"}}},
		{"GET", "/s/z.css", both, 200, "BR", [][2]string{{"Content-Encoding", "br"}, {"Vary", "Accept-Encoding"}, {"Content-Type", "text/css; charset=utf-8"}, {"Content-Length", "2"}}},
		{"GET", "/s/z.css", "Accept-Encoding: gzip\r\n", 200, "GZ", [][2]string{{"Content-Encoding", "gzip"}, {"Vary", "Accept-Encoding"}}},
		{"GET", "/s/z.css", "Accept-Encoding: br;q=0.5, gzip\r\n", 200, "GZ", nil},
		{"GET", "/s/z.css", "", 200, "plain", [][2]string{{"Content-Encoding", ""}, {"Vary", "Accept-Encoding"}}},
		{"GET", "/s/z.css", "Accept-Encoding: br;q=0\r\n", 200, "plain", [][2]string{{"Content-Encoding", ""}}},
		{"GET", "/s/z.css", "Accept-Encoding: *;q=0\r\n", 406, "-", [][2]string{{"Vary", "Accept-Encoding"}, {"Content-Encoding", ""}}},
		{"GET", "/s/z.css", both + "Range: bytes=0-0\r\n", 206, "B", [][2]string{{"Content-Encoding", "br"}, {"Content-Range", "bytes 0-0/2"}}},
		{"GET", "/s/old.css", both, 200, "plain", [][2]string{{"Content-Encoding", ""}, {"Vary", ""}}},
		{"GET", "/s/dir.css", both, 200, "plain", [][2]string{{"Content-Encoding", ""}}},
		{"GET", "/d/orphan.css", both, 404, "-", nil},
		{"GET", "/d/z.css", "", 200, "plain", [][2]string{{"Content-Type", "text/x"}, {"Cache-Control", "no-cache"}, {"Content-Security-Policy", ""}}},
		{"GET", "/d/.hidden", "", 404, "-", nil},
		{"POST", "/d/z.css", "Content-Length: 0\r\n", 405, "-", [][2]string{{"Allow", "GET, HEAD"}}},
		{"GET", "/d/page.html", "If-Match: \"x\"\r\n", 412, "-", nil},
		{"GET", "/d/page.html", "Range: bytes=3-\r\n", 416, "-", [][2]string{{"Content-Range", "bytes */3"}}},
	} {
		resp := do(c.method + " " + c.path + " HTTP/1.1\r\nHost: t\r\n" + c.fields + "\r\n")
		body := text(t, resp)
		if resp.StatusCode != c.status || c.body != "-" && body != c.body {
			t.Errorf("%s %s %q: %d %q, want %d %q", c.method, c.path, c.fields, resp.StatusCode, body, c.status, c.body)
		}
		for _, f := range c.want {
			got := resp.Header.Get(f[0])
			if f[0] == "Content-Length" {
				got = fmt.Sprint(resp.ContentLength)
			}
			if got != f[1] {
				t.Errorf("%s %s %q: %s is %q, want %q", c.method, c.path, c.fields, f[0], got, f[1])
			}
		}
	}
	tags := map[string]bool{}
	for _, fields := range []string{"", "Accept-Encoding: br\r\n", "Accept-Encoding: gzip\r\n"} {
		tags[do("GET /d/z.css HTTP/1.1\r\nHost: t\r\n"+fields+"\r\n").Header.Get("ETag")] = true
	}
	if len(tags) != 3 || tags[""] {
		t.Errorf("entity tags of three forms of a file: %v", tags)
	}
}

// TestFilesWithoutTimes: an embedded file has a tag of its content and no date.
func TestFilesWithoutTimes(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = FileServer(fstest.MapFS{"a": {Data: []byte("one")}, "b": {Data: []byte("one")}, "c": {Data: []byte("two")}}, FileOptions{})
	})
	_, do := dial(t, addr)
	tag := func(path, fields string) string {
		resp := do("GET " + path + " HTTP/1.1\r\nHost: t\r\n" + fields + "\r\n")
		if resp.Header.Get("Last-Modified") != "" {
			t.Errorf("%s: Last-Modified: %s", path, resp.Header.Get("Last-Modified"))
		}
		return fmt.Sprint(resp.StatusCode, resp.Header.Get("ETag"))
	}
	a := tag("/a", "")
	if b, c := tag("/b", ""), tag("/c", ""); a != b || a == c || tag("/a", "") != a || len(a) != 3+34 {
		t.Errorf("tags %s, %s, %s", a, b, c)
	}
	if s := tag("/a", "If-None-Match: "+a[3:]+"\r\n"); s != "304"+a[3:] {
		t.Error(s)
	}
}

// TestContentLikeNetHTTP compares status, fields and body with http.ServeContent.
func TestContentLikeNetHTTP(t *testing.T) {
	body := strings.Repeat("0123456789", 10)
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			return w.ServeContent(r, Content{Body: strings.NewReader(body), Size: 100, Type: "text/plain", ETag: `"1"`, Modified: changed})
		}
	})
	_, do := dial(t, addr)
	for _, fields := range []string{
		"", "Range: bytes=0-9", "Range: bytes=-1", "Range: bytes=0-9,20-29,-5", "Range: bytes=100-", "Range: bytes=10-19, 5-9",
		"Range: bytes=0-9\r\nIf-Range: \"1\"", "Range: bytes=0-9\r\nIf-Range: \"2\"", "Range: bytes=0-9\r\nIf-Range: W/\"1\"",
		"Range: bytes=0-9\r\nIf-Range: " + same, "Range: bytes=0-9\r\nIf-Range: " + before, "Range: bytes=0-9\r\nIf-Range: " + after,
		"Range: bytes=0-9\r\nIf-Match: \"2\"", "Range: bytes=0-9\r\nIf-None-Match: \"1\"", "Range: bytes=0-9\r\nIf-Modified-Since: " + same,
		"Range: bytes=100-\r\nIf-None-Match: \"1\"", "Range: bytes=100-\r\nIf-Range: \"2\"",
	} {
		sent := fields
		if sent != "" {
			sent += "\r\n"
		}
		ours, theirs := do("GET /f HTTP/1.1\r\nHost: t\r\n"+sent+"\r\n"), theirStatus("GET", fields, 100).Result()
		a, b := contentOf(t, ours), contentOf(t, theirs)
		if ours.StatusCode >= 400 {
			a, b = "", "" // the texts of errors differ
		}
		if ours.StatusCode != theirs.StatusCode || a != b {
			t.Errorf("%q: %d %q, net/http %d %q", fields, ours.StatusCode, a, theirs.StatusCode, b)
		}
		for _, f := range []string{"ETag", "Last-Modified", "Content-Range", "Accept-Ranges"} {
			if ours.Header.Get(f) != theirs.Header.Get(f) && !(ours.StatusCode >= 400 && f != "Content-Range") && !(ours.StatusCode == 304 && f != "ETag") {
				t.Errorf("%q: %s %q, net/http %q", fields, f, ours.Header.Get(f), theirs.Header.Get(f))
			}
		}
	}
	// HEAD has no ranges (RFC 9110 §14.2), which net/http serves all the same
	nc, _ := dial(t, addr)
	io.WriteString(nc, "HEAD /f HTTP/1.1\r\nHost: t\r\nRange: bytes=0-9\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(nc); err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")) || !bytes.Contains(b, []byte("\r\nContent-Length: 100\r\n")) || !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		t.Errorf("HEAD: %q, %v", b, err)
	}
}

// contentOf returns the body, and of a multipart its parts without the boundary, which
// mime/multipart reads.
func contentOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	body := text(t, resp)
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return body
	}
	if resp.ContentLength != int64(len(body)) {
		t.Errorf("multipart of %d bytes, Content-Length %d", len(body), resp.ContentLength)
	}
	mr, out := multipart.NewReader(strings.NewReader(body), params["boundary"]), ""
	for {
		p, err := mr.NextPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("[%s %s %s]", p.Header.Get("Content-Type"), p.Header.Get("Content-Range"), b)
	}
}

// TestFileShrinks: a file that becomes shorter while it is sent ends in a cut, never in a
// response that looks whole.
func TestFileShrinks(t *testing.T) {
	for name, size := range map[string]int64{"small": 1000, "large": 8 << 20} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		addr, _ := serveCases(t, func(c *Config) {
			c.Handler = func(w *Response, r *Request) error {
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				defer f.Close()
				if err := os.Truncate(path, size/2); err != nil {
					return err
				}
				return w.ServeContent(r, Content{Body: f, Size: size})
			}
		})
		nc, _ := dial(t, addr)
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
		b, err := io.ReadAll(nc)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(b)) >= size || bytes.HasPrefix(b, []byte("HTTP/1.1 200")) != (size > maxHeld) || !bytes.HasPrefix(b, []byte("HTTP/1.1 200")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 500")) {
			t.Errorf("%s: %d bytes: %.60q", name, len(b), b)
		}
	}
}

// TestFileLarge: files beyond what is held come whole, and the connection goes on.
func TestFileLarge(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	if err := os.WriteFile(filepath.Join(dir, "f.bin"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	addr, _ := serveCases(t, func(c *Config) { c.Handler = FileServer(root.FS(), FileOptions{}) })
	_, do := dial(t, addr)
	for range 2 {
		for fields, want := range map[string][]byte{"": data, "Range: bytes=1000-\r\n": data[1000:], "Range: bytes=-100000\r\n": data[len(data)-100000:], "Range: bytes=7-70006\r\n": data[7:70007]} {
			if got := text(t, do("GET /f.bin HTTP/1.1\r\nHost: t\r\n"+fields+"\r\n")); got != string(want) {
				t.Errorf("%q: %d bytes, want %d", fields, len(got), len(want))
			}
		}
		if resp := do("GET /f.bin HTTP/1.0\r\n\r\n"); text(t, resp) != string(data) {
			t.Error("to a client of version 1.0")
		}
		_, do = dial(t, addr)
	}
}

func TestFileType(t *testing.T) {
	for name, want := range map[string]string{"a.HTML": "text/html; charset=utf-8", "x/y.z/noext": "application/octet-stream", "a.tar.gz": "application/gzip", ".css": "text/css; charset=utf-8", "": "application/octet-stream", "a.": "application/octet-stream"} {
		if got := FileType(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	for ext, typ := range fileTypes {
		if media, params, err := mime.ParseMediaType(typ); err != nil || media == "" || len(params) > 1 || ext[0] != '.' {
			t.Errorf("%s: %s: %v", ext, typ, err)
		}
	}
}

// TestFilesCompressed: Compress around FileServer. Each form has its tag, ranges are of
// the plain form alone, and no part of one is joined to another.
func TestFilesCompressed(t *testing.T) {
	z, err := Compress(CompressConfig{})
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serveCases(t, func(c *Config) { c.Handler = z(FileServer(site, FileOptions{Precompressed: true})) })
	_, do := dial(t, addr)
	get := func(fields string) *http.Response {
		return do("GET /app.js HTTP/1.1\r\nHost: t\r\n" + fields + "\r\n")
	}
	plain, coded := get(""), get("Accept-Encoding: gzip\r\n")
	tag := plain.Header.Get("ETag")
	codedTag := strings.TrimSuffix(tag, `"`) + `+gzip"`
	if coded.Header.Get("ETag") != codedTag || coded.Header.Get("Content-Encoding") != "gzip" || coded.Header.Get("Accept-Ranges") != "" || string(gunzipped(t, []byte(text(t, coded)))) != text(t, plain) {
		t.Errorf("plain %v, coded %v", plain.Header, coded.Header)
	}
	const gz = "Accept-Encoding: gzip\r\n"
	for _, c := range []struct {
		fields string
		status int
		coding string
		tag    string
	}{
		{gz + "If-None-Match: " + codedTag + "\r\n", 304, "", codedTag},
		{gz + "If-None-Match: " + tag + "\r\n", 304, "", tag},
		{gz + "Range: bytes=0-9\r\n", 206, "", tag},
		{gz + "Range: bytes=0-9\r\nIf-Range: " + tag + "\r\n", 206, "", tag},
		{gz + "Range: bytes=0-9\r\nIf-Range: " + codedTag + "\r\n", 200, "gzip", codedTag},
		{gz + "Range: bytes=0-9,20-29\r\n", 206, "", tag},
		{gz + "Range: bytes=100000-\r\n", 416, "", ""},
	} {
		resp := get(c.fields)
		if resp.StatusCode != c.status || resp.Header.Get("Content-Encoding") != c.coding || resp.Header.Get("ETag") != c.tag {
			t.Errorf("%q: %d %v", c.fields, resp.StatusCode, resp.Header)
		}
	}
}

// TestFileGrows: no more is sent than was announced.
func TestFileGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return w.ServeContent(r, Content{Body: f, Size: 60})
		}
	})
	_, do := dial(t, addr)
	for range 2 {
		if got := text(t, do("GET / HTTP/1.1\r\nHost: t\r\n\r\n")); len(got) != 60 {
			t.Errorf("%d bytes, want 60", len(got))
		}
	}
}

// TestContentRefusals: what cannot stand in a header section is an error of the program.
func TestContentRefusals(t *testing.T) {
	var content Content
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error { return w.ServeContent(r, content) }
	})
	_, do := dial(t, addr)
	for _, content = range []Content{
		{Body: strings.NewReader("x"), Size: -1}, {Body: strings.NewReader("x"), Size: maxFileSize + 1}, {Body: strings.NewReader("x"), Size: 1, ETag: "1"},
		{Body: strings.NewReader("x"), Size: 1, ETag: `"1" `}, {Body: strings.NewReader("x"), Size: 1, ETag: "\"1\r\nX: y\""}, {Body: strings.NewReader("x"), Size: 1, Type: "a\r\nX: y"},
		{Body: strings.NewReader("x"), Size: 2},
	} {
		if resp := do("GET / HTTP/1.1\r\nHost: t\r\n\r\n"); resp.StatusCode != 500 || resp.Header.Get("X") != "" {
			t.Errorf("%+v: %d %v", content, resp.StatusCode, resp.Header)
		}
	}
}
