package wire

import (
	"io/fs"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzFileName: a path that is taken names the file that net/url and path.Clean make of
// it, lies inside, and needed no cleaning.
func FuzzFileName(f *testing.F) {
	for _, c := range pathCases {
		f.Add(c.path, false)
	}
	f.Add("/s/x", true)
	f.Fuzz(func(t *testing.T, raw string, hidden bool) {
		raw, _, _ = strings.Cut(raw, "?")
		if !strings.HasPrefix(raw, "/") || !all(raw, classTarget) {
			return
		}
		name, folder, ok := fileName(raw, "/", hidden)
		if !ok {
			return
		}
		plain, err := url.PathUnescape(raw)
		if err != nil {
			t.Fatalf("%q is taken as %q; net/url: %v", raw, name, err)
		}
		want := strings.TrimPrefix(path.Clean(plain), "/")
		if want == "" {
			want = "."
		}
		if name != want || folder != strings.HasSuffix(plain, "/") || !fs.ValidPath(name) {
			t.Errorf("%q is taken as %q (folder: %v), want %q", raw, name, folder, want)
		}
		if strings.ContainsAny(name, "\\\x00\r\n") || !hidden && name != "." && strings.Contains("/"+strings.TrimPrefix(name, ".well-known"), "/.") {
			t.Errorf("%q is taken as %q", raw, name)
		}
		if again, _, ok := fileName("/s"+raw, "/s", hidden); !ok || again != name {
			t.Errorf("%q behind a prefix is %q, %v", raw, again, ok)
		}
	})
}
