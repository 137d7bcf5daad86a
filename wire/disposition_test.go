package wire

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAttachment(t *testing.T) {
	for name, want := range map[string]string{
		"report.pdf":     `attachment; filename="report.pdf"`,
		"a b;c.txt":      `attachment; filename="a b;c.txt"`,
		"été.txt":        `attachment; filename="_t_.txt"; filename*=UTF-8''%C3%A9t%C3%A9.txt`,
		`a"b\c`:          `attachment; filename="c"`,
		`say "hi".txt`:   `attachment; filename="say _hi_.txt"; filename*=UTF-8''say%20%22hi%22.txt`,
		"100%.txt":       `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`,
		"../../etc/x":    `attachment; filename="x"`,
		"a\r\nX: b":      `attachment; filename="aX: b"`,
		"":               `attachment`,
		"..":             `attachment`,
		"\x00":           `attachment`,
		"it's (1)*.html": `attachment; filename="it's (1)*.html"`,
	} {
		w := &Response{&heldResponse{length: -1}}
		if err := w.Attachment(name); err != nil || w.HeaderValue("Content-Disposition") != want {
			t.Errorf("%q: %s, %v; want %s", name, w.HeaderValue("Content-Disposition"), err, want)
		}
	}
}

// FuzzAttachment: package mime reads the name that was meant.
func FuzzAttachment(f *testing.F) {
	f.Add("été (1).txt")
	f.Add(`"\%*'`)
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) || strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7F || r == '\uFFFD' }) || name == "." || name == ".." {
			return
		}
		w := &Response{&heldResponse{length: -1}}
		if err := w.Attachment(name); err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(w.HeaderValue("Content-Disposition"))
		if err != nil || kind != "attachment" || params["filename"] != name {
			t.Errorf("%q: %s reads as %q, %v", name, w.HeaderValue("Content-Disposition"), params["filename"], err)
		}
	})
}
