package wire

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func post(kind, body string) string {
	return fmt.Sprintf("POST /f HTTP/1.1\r\nHost: t\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body)
}

const (
	pairsType = "application/x-www-form-urlencoded"
	partsType = "multipart/form-data; boundary=B"
)

func TestForm(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(t.TempDir(), "kept")
	limits := FormLimits{MaxFields: 3, MaxFieldBytes: 10, MaxFiles: 2, MaxFileBytes: 100_000, MaxMemoryBytes: 25, MaxPartHead: 200, MaxPartHeaders: 3, TempDir: dir}
	var last *File
	addr, _ := serveCases(t, func(c *Config) {
		c.MaxBodyBytes = 1 << 20
		c.Handler = func(w *Response, r *Request) error {
			f, err := r.Form(limits)
			if err != nil {
				return err
			}
			if again, err := r.Form(FormLimits{}); again != f || err != nil {
				t.Errorf("the second call: %v, %v", again, err)
			}
			var out strings.Builder
			for _, p := range f.Fields.Pairs {
				fmt.Fprintf(&out, "%s=%s ", p[0], p[1])
			}
			for _, file := range f.Files {
				last = file
				o, err := file.Open()
				if err != nil {
					return err
				}
				b, err := io.ReadAll(o)
				if err := errors.Join(err, o.Close()); err != nil {
					return err
				}
				if int64(len(b)) != file.Size || !strings.HasPrefix(file.path, dir) {
					t.Errorf("file of %d bytes in %q: %d bytes", file.Size, file.path, len(b))
				}
				fmt.Fprintf(&out, "%s(%s %s)=%d%.10s ", file.Field, file.Name, file.Type, len(b), b)
			}
			if file := f.File("keep"); file != nil {
				if err := file.Keep(kept); err != nil {
					return err
				}
				if _, err := file.Open(); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("open after keep: %v", err)
				}
				if err := file.Keep(kept); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("keep twice: %v", err)
				}
			}
			if r.HasHeader("X-Panic") {
				panic("after the form was read")
			}
			return w.Send(200, "text/plain", []byte(strings.TrimSuffix(out.String(), " ")))
		}
	})
	file := func(name string) string { return field(name) + `; filename="x.bin"|` }
	big := strings.Repeat("0123456789", 10_000)
	for _, c := range []struct {
		what, kind, body string
		status           int
		want             string
	}{
		{"pairs", pairsType, "a=1&b=%C3%A9+x&a=2", 200, "a=1 b=é x a=2"},
		{"with charset", pairsType + "; charset=UTF-8", "a=1", 200, "a=1"},
		{"nothing", pairsType, "", 200, ""},
		{"broken percent-encoding", pairsType, "a=%zz", 400, ""},
		{"MaxFields", pairsType, "a=1&b=2&c=3&d=4", 413, ""},
		{"MaxFieldBytes", pairsType, "a=12345678901", 413, ""},
		{"MaxFieldBytes just", pairsType, "a=1234567890", 200, "a=1234567890"},
		{"MaxMemoryBytes", pairsType, "aaaaaaaaaaaaaaaa=1&bbbbbbbb=2", 413, ""},
		{"parts", partsType, form(field("a")+"|1", file("f")+"data", field("b")+"|2"), 200, "a=1 b=2 f(x.bin )=4data"},
		{"two files, one empty", partsType, form(file("f"), file("g")+big), 200, "f(x.bin )=0 g(x.bin )=1000000123456789"},
		{"no file chosen", partsType, form(field("f") + `; filename=""` + "\nContent-Type: application/octet-stream|"), 200, ""},
		{"parts: MaxFields", partsType, form(field("a")+"|1", field("a")+"|1", field("a")+"|1", field("a")+"|1"), 413, ""},
		{"parts: MaxFieldBytes", partsType, form(field("a") + "|12345678901"), 413, ""},
		{"parts: MaxMemoryBytes", partsType, form(field("a")+"|1234567890", field("b")+"|1234567890", field("c")+"|1234567890"), 413, ""},
		{"parts: MaxFiles", partsType, form(file("a"), file("b"), file("c")), 413, ""},
		{"parts: MaxFileBytes", partsType, form(file("a")+"1", file("b")+big+"1"), 413, ""},
		{"parts: MaxPartHead", partsType, form(field("a") + "\nX: " + strings.Repeat("x", 200) + "|1"), 413, ""},
		{"parts: MaxPartHeaders", partsType, form(field("a") + "\nX: 1\nX: 2\nX: 3|1"), 413, ""},
		{"parts: ends behind a file", partsType, strings.TrimSuffix(form(file("a")+"1"), "--\r\n"), 400, ""},
		{"other type", "text/plain", "a=1", 415, ""},
		{"JSON", "application/json", "{}", 415, ""},
		{"keep", partsType, form(file("keep") + "mine"), 200, "keep(x.bin )=4mine"},
	} {
		_, do := dial(t, addr)
		resp := do(post(c.kind, c.body))
		if got := text(t, resp); resp.StatusCode != c.status || c.status == 200 && got != c.want {
			t.Errorf("%s: %d %.200q, want %d %q", c.what, resp.StatusCode, got, c.status, c.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left in the folder: %v, %v", c.what, left, err)
		}
		if c.status == 200 {
			if text(t, do(post(pairsType, "z=1"))) != "z=1" {
				t.Errorf("%s: the connection does not go on", c.what)
			}
		}
	}
	_, do := dial(t, addr)
	if resp := do(strings.Replace(post(partsType, form(file("a")+"1")), "Host: t", "Host: t\r\nX-Panic: 1", 1)); resp.StatusCode != 500 {
		t.Error(resp.Status)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("after a panic: %v, %v", left, err)
	}
	if b, err := os.ReadFile(kept); string(b) != "mine" || err != nil {
		t.Errorf("kept: %q, %v", b, err)
	}
	if _, err := last.Open(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("open after the request: %v", err)
	}
}

func TestFormDiskFails(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			_, err := r.Form(FormLimits{TempDir: filepath.Join(t.TempDir(), "none")})
			return err
		}
	})
	_, do := dial(t, addr)
	if resp := do(post(partsType, form(field("a")+`; filename="x"|1`))); resp.StatusCode != 500 || strings.Contains(text(t, resp), "none") {
		t.Error(resp.Status)
	}
}

// TestParts: parts stream, and breaking off in the middle leaves nothing behind.
func TestParts(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			var names []string
			for p, err := range r.Parts(FormLimits{}) {
				if err != nil {
					return err
				}
				names = append(names, p.Name+p.Header("x-a"))
				if p.Name == "stop" {
					break
				}
			}
			return w.Send(200, "text/plain", []byte(strings.Join(names, " ")))
		}
	})
	_, do := dial(t, addr)
	for _, c := range []struct{ body, want string }{
		{form(field("a")+"\nX-A: !|1", field("b")+"|2"), "a! b"},
		{form(field("a")+"|1", field("stop")+"|"+strings.Repeat("x", 100_000), field("b")+"|2"), "a stop"},
	} {
		if got := text(t, do(post(partsType, c.body))); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for kind, status := range map[string]int{"text/plain": 415, "multipart/form-data": 400, partsType: 400} {
		_, do := dial(t, addr)
		if resp := do(post(kind, "x")); resp.StatusCode != status {
			t.Errorf("%s: %d, want %d", kind, resp.StatusCode, status)
		}
	}
}
