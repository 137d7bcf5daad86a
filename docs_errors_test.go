package lithair

import (
	"strings"
	"testing"

	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// TestProblemTypes: the type of a problem leads to what the application says of its code.
func TestProblemTypes(t *testing.T) {
	a := withNotes(newApp(t, Config{}))
	a.Get("/own", func(*wire.Response, *wire.Request) error {
		return &wire.Error{Status: 409, Code: "sold_out", Detail: "none is left"}
	})
	start(t, a)
	for path, want := range map[string]string{
		"/api/notes/none":   `{"type":"/docs/errors#LTH1010","title":`,
		"/api/notes?sort=x": `{"type":"/docs/errors#LTH1004","title":`,
		"/nowhere":          `{"type":"/docs/errors#LTH1010","title":`,
		"/own":              `{"type":"about:blank","title":`,
	} {
		if got := call(t, a, "GET", path, ""); !strings.HasPrefix(got.body, want) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	page := call(t, a, "GET", rest.TypesPath, "")
	if page.StatusCode != 200 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", page.StatusCode, page.Header)
	}
	for _, c := range rest.Codes {
		if !strings.Contains(page.body, `<h2 id="`+c.Code+`">`) {
			t.Errorf("the page does not have %s", c.Code)
		}
	}
}
