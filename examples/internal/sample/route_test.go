package sample_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/sample"
)

// TestRoutes goes through the routes of an API: what is bound, what is refused, and how errors
// are answered.
func TestRoutes(t *testing.T) {
	var models *sample.Models
	p := start(t, func(app *lithair.App) { models = sample.Register(app) })
	defer p.stop(t)
	a := sample.Article{Slug: "a", Title: "One", Views: 3, Status: "new"}
	if err := p.app.Update(t.Context(), func(tx *lithair.Tx) error { return models.Articles.Insert(tx, &a) }); err != nil {
		t.Fatal(err)
	}
	print := "/desk/" + a.ID.String() + "/print"
	none := "/desk/01890a5d-ac96-774b-bcce-b302099a8057/print"
	for _, c := range []struct {
		what, method, path, body, field string
		before                          func()
		status                          int
		want                            string // in the body
	}{
		{"a dry run with everything bound", "POST", print + "?dry=true&tag=x&tag=y", `{"copies":2}`, "X-Editor: ann", nil, 201, `{"title":"One","views":5,"tags":["x","y"],"editor":"ann"}`},
		{"a header field is optional", "POST", print + "?dry=true", `{"copies":1,"note":"n"}`, "", nil, 201, `{"title":"One","views":4,"tags":null,"editor":""}`},
		{"rules hold", "POST", print, `{"copies":0,"note":"more than ten"}`, "", nil, 422, `{"copies":"must lie between 1 and 100","note":"must have at most 10 characters, and has 13"}`},
		{"a path field is no member", "POST", print, `{"copies":1,"ID":"x"}`, "", nil, 400, "LTH1003"},
		{"an unknown parameter", "POST", print + "?drry=true", `{"copies":1}`, "", nil, 400, "did you mean dry?"},
		{"a parameter of another type", "POST", print + "?dry=yes", `{"copies":1}`, "", nil, 400, "query dry: must be true or false"},
		{"a parameter given twice", "POST", print + "?dry=true&dry=true", `{"copies":1}`, "", nil, 400, "more than once"},
		{"no id", "POST", "/desk/seven/print", `{"copies":1}`, "", nil, 404, "path id: must be an id such as"},
		{"no such record", "POST", none, `{"copies":1}`, "", nil, 404, "LTH1010"},
		{"no body", "POST", print, "", "", nil, 415, "LTH1020"},
		{"a broken body", "POST", print, "{", "", nil, 400, "LTH1001"},
		{"an error with a status, wrapped", "POST", print, `{"copies":1}`, "", func() { models.Desk.Closed = true }, 423, "the desk is closed until tomorrow"},
		{"a write", "POST", print, `{"copies":7}`, "Idempotency-Key: k", func() { models.Desk.Closed = false }, 201, `"views":10`},
		{"the same again by its key", "POST", print, `{"copies":7}`, "Idempotency-Key: k", nil, 201, `"views":10`},
		{"an error with a status", "POST", print, `{"copies":1}`, "", nil, 409, "the article was printed already"},
		{"a read by query", "GET", "/api/desk/titles?status=printed&least=10", "", "", nil, 200, `["One"]`},
		{"a read by query, other values", "GET", "/api/desk/titles?status=printed&least=11", "", "", nil, 200, `[]`},
		{"rules hold for queries", "GET", "/api/desk/titles", "", "", nil, 422, `{"status":"must not be empty"}`},
		{"a read that waits for an index", "GET", "/api/desk/titles?status=printed&min_index=1", "", "", nil, 200, `["One"]`},
		{"a read at a level", "GET", "/api/desk/titles?status=printed&level=nonsense", "", "", nil, 400, "linearizable"},
		{"no input, no output", "POST", "/api/desk/clear", "", "", nil, 204, ""},
		{"it was carried out", "GET", "/api/desk/titles?status=printed", "", "", nil, 200, `[]`},
		{"a call", "GET", "/desk", "", "", nil, 200, `"` + p.app.Addr() + `"`},
		{"what is left out", "POST", "/api/desk/burn", "", "", nil, 404, ""},
		{"another method", "GET", "/api/desk/clear", "", "", nil, 405, "LTH1011"},
	} {
		if c.before != nil {
			c.before()
		}
		req, err := http.NewRequest(c.method, "http://"+p.app.Addr()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		if name, v, ok := strings.Cut(c.field, ": "); ok {
			req.Header.Set(name, v)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s\nwant %d with %s", c.what, res.StatusCode, body, c.status, c.want)
		}
		if c.status != 404 && res.StatusCode < 300 && c.path != "/desk" && res.Header.Get("Lithair-Index") == "" {
			t.Errorf("%s: no Lithair-Index", c.what)
		}
	}
}

// TestBadRoutes: what is wrong with a route is said at the start.
func TestBadRoutes(t *testing.T) {
	type in struct {
		ID int `path:"id"`
	}
	type bad struct {
		C chan int `query:"c"`
	}
	none := struct{}{}
	app := lithair.New(lithair.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	lithair.RouteTx(app, lithair.Route{Pattern: "GET /a"}, func(*lithair.Tx, struct{}) (struct{}, error) { return none, nil })
	lithair.RouteView(app, lithair.Route{Pattern: "GET /b/{x}"}, func(*lithair.Snapshot, struct{}) (struct{}, error) { return none, nil })
	lithair.RouteView(app, lithair.Route{Pattern: "GET /c"}, func(*lithair.Snapshot, in) (struct{}, error) { return none, nil })
	lithair.RouteView(app, lithair.Route{Pattern: "GET /d"}, func(*lithair.Snapshot, bad) (struct{}, error) { return none, nil })
	lithair.RouteView(app, lithair.Route{Pattern: "GET /e", Status: 404}, func(*lithair.Snapshot, struct{}) (struct{}, error) { return none, nil })
	err := app.Start(t.Context())
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"GET /a writes", `path:"x"`, "no variable {id}", "chan int cannot be read", "not 404"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said: %v", want, err)
		}
	}
}
