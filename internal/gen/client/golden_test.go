package client_test

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/gen/client"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestGolden pins what is written for an application, and that it is the same each time.
func TestGolden(t *testing.T) {
	for _, language := range client.Languages {
		name := "testdata/press." + language + ".golden"
		got := generate(t, language)
		if !bytes.Equal(got, generate(t, language)) {
			t.Errorf("%s: a second time it is another text", language)
		}
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := read(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s is not what is written now; go test -update, and read the difference", name)
		}
		t.Logf("%s: %d lines", language, bytes.Count(got, []byte("\n")))
	}
}

// TestRefused: documents of others, and names that cannot be, are refused.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ what, document, want string }{
		{"no JSON", "{", "unexpected"},
		{"of somebody else", `{"openapi":"3.1.0","paths":{}}`, "no member x-lithair"},
		{"a schema that is not there", `{"x-lithair":{"codes":[],"operations":[],"collections":[{"name":"A","path":"/a","key":"id","read":"A","write":"B","patch":"C","filters":[]}]}}`, `there is no schema "A"`},
		{"an operation that is not there", `{"x-lithair":{"codes":[],"collections":[],"operations":[{"name":"a","method":"POST","path":"/a"}]}}`, "POST /a is not among the paths"},
	} {
		_, err := client.Read([]byte(c.document))
		if err == nil || c.want != "unexpected" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}
	api, err := client.Read(document(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"go", "a-b"}, {"go", "func"}, {"go", ""}, {"cobol", "a"}} {
		if _, err := api.Generate(c[0], c[1]); err == nil {
			t.Errorf("%s, package %q: no error", c[0], c[1])
		}
	}
}
