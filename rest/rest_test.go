package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

type author struct {
	ID    string `json:"id" lithair:"primary_key"`
	Email string `json:"email" lithair:"unique" http:"validate=email"`
}

type article struct {
	ID      model.ID  `json:"id" lithair:"primary_key"`
	Slug    string    `json:"slug" lithair:"unique" http:"validate=non_empty"`
	Title   string    `json:"title" http:"validate=length(1,20)"`
	Views   int       `json:"views" lithair:"indexed"`
	Author  string    `json:"author_id,omitempty" lithair:"fk=author"`
	Kind    string    `json:"kind" lifecycle:"immutable"`
	Secret  string    `json:"secret" http:"hidden"`
	Made    time.Time `json:"created_at" lithair:"created"`
	Changed time.Time `json:"updated_at" lithair:"updated"`
}

type counter struct {
	N    int32      `json:"n" lithair:"primary_key"`
	Name string     `json:"name"`
	When *time.Time `json:"when,omitempty"`
}

// rig is a server with a real engine on a real log.
type rig struct {
	t      *testing.T
	url    string
	e      *engine.Engine
	tables []*engine.Table
}

func newRig(t *testing.T, opt rest.Options) *rig {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	dir := t.TempDir()
	e, err := engine.New(engine.Config{Logger: quiet, Open: func(sink engine.Sink) (engine.Order, error) {
		log, err := eventlog.Open(eventlog.Config{Dir: dir, Logger: quiet})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: log, Sink: sink})
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, e: e}
	for _, typ := range []reflect.Type{reflect.TypeFor[author](), reflect.TypeFor[article](), reflect.TypeFor[counter]()} {
		m, err := model.Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		tb, err := e.Register(m)
		if err != nil {
			t.Fatal(err)
		}
		r.tables = append(r.tables, tb)
	}
	if err := e.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	rt := wire.NewRouter()
	for _, err := range []error{rest.Mount(rt, e, r.tables[0], "/api/authors", opt), rest.Mount(rt, e, r.tables[1], "/api/articles", opt), rest.Mount(rt, e, r.tables[2], "/api/counters", opt), rest.MountTx(rt, e, r.tables, "/api/_tx", opt, nil)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	srv, err := wire.NewServer(wire.Config{Handler: rt.Handler(), ErrorBody: rest.ErrorBody, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r.url = "http://" + l.Addr().String()
	return r
}

type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// do sends a request; fields are name, value pairs. A body is JSON unless a field says so.
func (r *rig) do(method, path, body string, fields ...string) reply {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, text: string(b)}
	if len(b) > 0 && b[0] == '{' {
		if err := json.Unmarshal(b, &out.json); err != nil {
			r.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	if out.header.Get("Lithair-Index") == "" {
		r.t.Errorf("%s %s: %d without Lithair-Index", method, path, out.status)
	}
	return out
}

// want sends a request and checks status and a part of the body.
func (r *rig) want(status int, part, method, path, body string, fields ...string) reply {
	r.t.Helper()
	out := r.do(method, path, body, fields...)
	if out.status != status || !strings.Contains(out.text, part) {
		r.t.Fatalf("%s %s %s: %d %s, want %d with %q", method, path, body, out.status, out.text, status, part)
	}
	return out
}

func TestLifeOfARecord(t *testing.T) {
	r := newRig(t, rest.Options{})
	made := r.want(201, `"slug":"a"`, "POST", "/api/articles", `{"slug":"a","title":"First"}`)
	path, tag := made.header.Get("Location"), made.header.Get("ETag")
	if path != "/api/articles/"+made.json["id"].(string) || tag == "" || strings.Contains(made.text, "secret") || made.json["created_at"] == "0001-01-01T00:00:00Z" {
		t.Fatal(made)
	}
	got := r.want(200, made.text, "GET", path, "")
	if got.header.Get("ETag") != tag {
		t.Error(got.header)
	}
	if h := r.do("HEAD", path, ""); h.status != 200 || h.text != "" || h.header.Get("ETag") != tag {
		t.Error(h)
	}
	r.want(304, "", "GET", path, "", "If-None-Match", `"0", W/`+tag)
	r.want(304, "", "GET", path, "", "If-None-Match", "*")
	r.want(412, "LTH1017", "GET", path, "", "If-Match", `"0"`)
	r.want(304, "", "GET", path, "", "If-Match", tag, "If-None-Match", tag)
	r.want(200, "First", "GET", path, "", "If-None-Match", `"0"`)
	r.want(412, "LTH1017", "PATCH", path, `{"views":2}`, "If-Match", `"0"`)
	r.want(412, "LTH1017", "PATCH", path, `{"views":2}`, "If-Match", "W/"+tag)
	p := r.want(200, `"views":2`, "PATCH", path, `{"views":2}`, "If-Match", tag, "Content-Type", "application/merge-patch+json")
	if p.header.Get("ETag") == tag || p.json["title"] != "First" {
		t.Error(p)
	}
	r.want(200, `"Second"`, "PUT", path, strings.Replace(p.text, "First", "Second", 1), "If-Match", "*")
	r.want(200, `"views":0`, "PUT", path, `{"slug":"a","title":"Third"}`)
	r.want(204, "", "DELETE", path, "")
	r.want(404, "LTH1010", "GET", path, "")
	r.want(404, "LTH1010", "DELETE", path, "")
	r.want(412, "LTH1017", "DELETE", path, "", "If-Match", "*")
	put := r.want(201, `"id":"ann b"`, "PUT", "/api/authors/ann%20b", `{"email":"a@b.example"}`, "If-None-Match", "*")
	if put.header.Get("Location") != "/api/authors/ann%20b" {
		t.Error(put.header)
	}
}

func TestBadInput(t *testing.T) {
	r := newRig(t, rest.Options{MaxBodyBytes: 2000})
	r.want(201, "", "POST", "/api/authors", `{"id":"ann","email":"ann@b.example"}`)
	one := r.want(201, "", "POST", "/api/articles", `{"slug":"one","title":"One","author_id":"ann","kind":"news"}`)
	path := one.header.Get("Location")
	for _, c := range []struct {
		method, path, body, code string
		status                   int
		part                     string
		fields                   []string
	}{
		{"POST", "/api/articles", "{\"slug\":\n\"x\",,}", "LTH1001", 400, "line 2, column", nil},
		{"POST", "/api/articles", `{"slug":"x"`, "LTH1001", 400, "line 1", nil},
		{"POST", "/api/articles", `{"slug":"x","slug":"y"}`, "LTH1001", 400, "line 1", nil},
		{"POST", "/api/articles", `{"slug":7}`, "LTH1002", 400, `"pointer":"/slug"`, nil},
		{"POST", "/api/articles", `[]`, "LTH1002", 400, "", nil},
		{"POST", "/api/articles", `null`, "LTH1002", 400, "object", nil},
		{"POST", "/api/articles", `{"slug":"x","titel":"y"}`, "LTH1003", 400, `did you mean \"title\"?`, nil},
		{"POST", "/api/articles", `{"slug":"x","secret":"y"}`, "LTH1003", 400, `"secret"`, nil},
		{"PATCH", path, `{"secret":"y"}`, "LTH1003", 400, `"/secret"`, nil},
		{"PATCH", path, `{"views":"y"}`, "LTH1002", 400, `"/views"`, nil},
		{"PATCH", path, `[1]`, "LTH1002", 400, "must be an object, not an array", nil},
		{"PATCH", path, `null`, "LTH1002", 400, "must be an object", nil},
		{"PATCH", path, `{"titel":null}`, "LTH1003", 400, `did you mean \"title\"?`, nil},
		{"PATCH", path, `{"secret":null}`, "LTH1003", 400, `"secret"`, nil},
		{"PATCH", path, "{\n\"views\": 1.5}", "LTH1002", 400, "line 2, column 10: /views must be a whole number of 64 bits, not 1.5", nil},
		{"PATCH", path, `{"views":9223372036854775808}`, "LTH1002", 400, "not 9223372036854775808", nil},
		{"POST", "/api/articles", `{"created_at":"yesterday"}`, "LTH1002", 400, "/created_at must be a time such as 2006-01-02T15:04:05Z, not this text", nil},
		{"POST", "/api/articles", `{"id":"x"}`, "LTH1002", 400, "/id must be an id such as", nil},
		{"POST", "/api/articles", `{"slug":tru}`, "LTH1001", 400, `line 1, column 12, at /slug: want true`, nil},
		{"POST", "/api/articles", strings.Repeat("[", 1500), "LTH1001", 400, "nesting", nil},
		{"POST", "/api/articles", ` `, "LTH1001", 400, "the text ends", nil},
		{"POST", "/api/authors", `{"id":".","email":"c@b.example"}`, "LTH1025", 422, "reserved", nil},
		{"POST", "/api/authors", `{"id":"..","email":"c@b.example"}`, "LTH1025", 422, "reserved", nil},
		{"POST", "/api/authors", `{"id":"` + strings.Repeat("k", 513) + `","email":"c@b.example"}`, "LTH1021", 422, "author.id must be text of 1 to 512 bytes", nil},
		{"POST", "/api/counters", `{"name":"x"}`, "LTH1021", 422, "counter.n is missing", nil},
		{"POST", "/api/counters", `{"n":null,"name":"x"}`, "LTH1021", 422, "counter.n is missing", nil},
		{"POST", "/api/counters", `{"n":3000000000}`, "LTH1002", 400, "/n must be a whole number of 32 bits, not 3000000000", nil},
		{"GET", "/api/counters/007", "", "LTH1010", 404, "007", nil},
		{"GET", "/api/counters/+7", "", "LTH1010", 404, "+7", nil},
		{"GET", "/api/counters/3000000000", "", "LTH1010", 404, "3000000000", nil},
		{"POST", "/api/articles?titel=x", `{"slug":"x"}`, "LTH1004", 400, "has no meaning here", nil},
		{"POST", "/api/authors/_bulk?dry=1", `[]`, "LTH1004", 400, "has no meaning here", nil},
		{"POST", "/api/_tx?dry=1", `[]`, "LTH1004", 400, "has no meaning here", nil},
		{"POST", "/api/_tx", `{}`, "LTH1002", 400, "array", nil},
		{"POST", "/api/articles", `{"title":"` + strings.Repeat("x", 3000) + `"}`, "LTH1019", 413, "", nil},
		{"POST", "/api/articles", `{}`, "LTH1020", 415, "application/json", []string{"Content-Type", "text/plain"}},
		{"PUT", path, `{}`, "LTH1020", 415, "", []string{"Content-Type", "application/merge-patch+json"}},
		{"GET", "/api/articles/nonsense", "", "LTH1010", 404, "nonsense", nil},
		{"PUT", "/api/authors/bob", `{"email":"b@b.example"}`, "LTH1010", 404, "bob", nil},
		{"POST", "/api/articles", `{"slug":"one","title":"x"}`, "LTH1014", 409, `"slug":"must be unique`, nil},
		{"POST", "/api/authors", `{"id":"ann","email":"c@b.example"}`, "LTH1013", 409, "exists", nil},
		{"POST", "/api/articles", `{"slug":"x","title":"x","author_id":"zoe"}`, "LTH1015", 409, `"author_id"`, nil},
		{"DELETE", "/api/authors/ann", "", "LTH1016", 409, "referred", nil},
		{"POST", "/api/articles", `{"slug":"","title":""}`, "LTH1021", 422, `"pointer":"/slug"`, nil},
		{"POST", "/api/authors", `{"email":"c@b.example"}`, "LTH1021", 422, `"/id"`, nil},
		{"POST", "/api/articles", `{"slug":"x","title":"x","created_at":"2020-01-01T00:00:00Z"}`, "LTH1022", 422, "created_at", nil},
		{"PATCH", path, `{"updated_at":"2020-01-01T00:00:00Z"}`, "LTH1022", 422, "updated_at", nil},
		{"PATCH", path, `{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}`, "LTH1022", 422, `"/id"`, nil},
		{"PATCH", path, `{"kind":"other"}`, "LTH1023", 422, "kind", nil},
		{"POST", "/api/authors", `{"id":"count","email":"c@b.example"}`, "LTH1025", 422, "reserved", nil},
		{"GET", "/api/articles?titel=x", "", "LTH1004", 400, `did you mean \"title\"?`, nil},
		{"GET", "/api/articles?secret=x", "", "LTH1004", 400, "secret", nil},
		{"GET", "/api/articles?views=x", "", "LTH1004", 400, "whole number", nil},
		{"GET", "/api/articles/count?titel=x", "", "LTH1004", 400, "title", nil},
		{"GET", path + "?level=most", "", "LTH1004", 400, "level", nil},
		{"GET", path + "?freshness_strict", "", "LTH1004", 400, "together with freshness alone", nil},
		{"GET", path + "?freshness=1s&freshness_strict=yes", "", "LTH1004", 400, "is true or false", nil},
		{"GET", path + "?at=1&freshness_strict", "", "LTH1004", 400, "together with at", nil},
		{"GET", path + "?min_index=99999999", "", "LTH1018", 412, "in time", nil},
		{"POST", "/api/articles", `{"slug":"x","title":"x"}`, "LTH1005", 400, "Idempotency-Key", []string{"Idempotency-Key", "a b"}},
	} {
		before := r.do("GET", "/api/articles/count", "").text
		out := r.want(c.status, c.part, c.method, c.path, c.body, c.fields...)
		if out.json["code"] != c.code || out.header.Get("Content-Type") != "application/problem+json" || out.json["request_id"] == "" || out.json["error"] == "" || out.json["status"] != float64(c.status) {
			t.Errorf("%s %s %.80s: %s %s, want %s", c.method, c.path, c.body, out.header.Get("Content-Type"), out.text, c.code)
		}
		if after := r.do("GET", "/api/articles/count", "").text; after != before {
			t.Errorf("%s %s: %s became %s", c.method, c.path, before, after)
		}
	}
}

// TestErrorsOfTheServer: what keeps it from answering has a status and a code, too.
func TestErrorsOfTheServer(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   string
		status int
	}{
		{engine.ErrBusy, "LTH1027", 503}, {engine.ErrClosed, "LTH1028", 503}, {engine.ErrNotLeader, "LTH1028", 503},
		{&engine.LostError{}, "LTH1029", 503}, {&engine.LostError{Unknown: true}, "LTH1030", 503},
		{&engine.LostError{Cause: fmt.Errorf("log: %w", engine.ErrFull)}, "LTH1031", 507},
		{context.Canceled, "LTH1032", 503}, {&engine.TooLargeError{What: "the transaction", Limit: 1, Got: 2}, "LTH1019", 413},
		{&engine.PanicError{Value: "secret"}, "LTH1026", 500}, {errors.New("secret"), "LTH1026", 500},
	} {
		e := rest.ToError(fmt.Errorf("wrapped: %w", c.err))
		retry := slices.Contains(e.Header, [2]string{"Retry-After", "1"})
		if e.Status != c.status || e.Code != c.code || retry != (c.status == 503) || strings.Contains(e.Detail, "secret") {
			t.Errorf("%v: %d %s %v %q", c.err, e.Status, e.Code, e.Header, e.Detail)
		}
	}
}

func TestIntegerKeys(t *testing.T) {
	r := newRig(t, rest.Options{})
	made := r.want(201, `{"n":0,"name":"zero"}`, "POST", "/api/counters", `{"n":0,"name":"zero"}`)
	if got := made.header.Get("Location"); got != "/api/counters/0" {
		t.Error(got)
	}
	r.want(201, `"n":-5`, "PUT", "/api/counters/-5", `{"name":"five"}`, "If-None-Match", "*")
	r.want(200, `[{"n":-5,"name":"five"},{"n":0,"name":"zero"}]`, "GET", "/api/counters", "")
}

func TestListAndCount(t *testing.T) {
	r := newRig(t, rest.Options{})
	var records []string
	for i := range 10 {
		records = append(records, fmt.Sprintf(`{"slug":"s%d","title":"T%d","views":%d}`, i, i, i%3))
	}
	r.want(200, `"status":201`, "POST", "/api/articles/_bulk", "["+strings.Join(records, ",")+"]")
	out := r.want(200, `"total":10,"skip":2,"take":3,"has_more":true}`, "GET", "/api/articles?skip=2&take=3", "")
	if n := len(out.json["data"].([]any)); n != 3 {
		t.Error(n)
	}
	r.want(200, `{"count":3}`, "GET", "/api/articles/count?views=%3E1", "")
	r.want(200, `{"data":[{"slug":"s8","views":2},{"slug":"s5","views":2}]`, "GET", "/api/articles?views=2&sort=-slug&take=2&fields=slug,views&level=strong", "")
	r.want(200, `{"data":[],"total":10,"skip":99,"take":50,"has_more":false}`, "GET", "/api/articles?skip=99", "")
}

// A time that RFC 3339 has but the stored form has not is the client's fault, by whatever way it comes.
func TestTimesThatCannotBeStored(t *testing.T) {
	r := newRig(t, rest.Options{})
	late := `"when":"9999-12-31T23:59:59-01:00"`
	r.want(201, "", "POST", "/api/counters", `{"n":1,"when":"9999-12-31T23:59:59Z"}`)
	r.want(422, `"pointer":"/when"`, "POST", "/api/counters", `{"n":2,`+late+`}`)
	r.want(422, `"pointer":"/when"`, "POST", "/api/counters", `{"n":2,"when":"0000-01-01T00:00:00+01:00"}`)
	r.want(422, `"pointer":"/when"`, "PATCH", "/api/counters/1", `{`+late+`}`)
	r.want(422, `"pointer":"/when"`, "PUT", "/api/counters/1", `{"n":1,`+late+`}`)
	r.want(422, `"pointer":"/1/when"`, "POST", "/api/counters/_bulk", `[{"n":2},{"n":3,`+late+`}]`)
	r.want(422, `"pointer":"/0/data/when"`, "POST", "/api/_tx", `[{"op":"create","model":"counter","data":{"n":2,`+late+`}}]`)
	r.want(200, `{"count":1}`, "GET", "/api/counters/count", "")
}

func TestBulkAndTx(t *testing.T) {
	r := newRig(t, rest.Options{MaxOps: 5})
	r.want(422, `"pointer":"/1/email"`, "POST", "/api/authors/_bulk", `[{"id":"a","email":"a@b.example"},{"id":"b","email":"no"}]`)
	r.want(200, `{"count":0}`, "GET", "/api/authors/count", "")
	r.want(413, "LTH1019", "POST", "/api/authors/_bulk", `[{},{},{},{},{},{}]`)
	r.want(400, `"/0/op"`, "POST", "/api/authors/_bulk", `[{"op":"creat","data":{}}]`)
	tx := r.want(200, `"status":201,"id":"ann"`, "POST", "/api/_tx", `[{"op":"create","model":"author","data":{"id":"ann","email":"a@b.example"}},{"op":"create","model":"article","data":{"slug":"x","title":"X","author_id":"ann"}}]`)
	etag := tx.json["results"].([]any)[0].(map[string]any)["etag"].(string)
	quoted, err := json.Marshal(etag)
	if err != nil {
		t.Fatal(err)
	}
	r.want(200, `"email":"c@b.example"`, "POST", "/api/_tx", `[{"op":"check","model":"author","id":"ann","if_match":`+string(quoted)+`},{"op":"patch","model":"author","id":"ann","data":{"email":"c@b.example"}},{"op":"check","model":"author","id":"bob","expect":"absent"}]`)
	r.want(412, `"/1"`, "POST", "/api/_tx", `[{"op":"create","model":"author","data":{"id":"bob","email":"bob@b.example"}},{"op":"delete","model":"author","id":"ann","if_match":`+string(quoted)+`}]`)
	r.want(404, "LTH1010", "GET", "/api/authors/bob", "")
	r.want(409, `"/1/data/email"`, "POST", "/api/_tx", `[{"op":"create","model":"author","data":{"id":"bob","email":"bob@b.example"}},{"op":"create","model":"author","data":{"id":"bib","email":"bob@b.example"}}]`)
	r.want(400, `did you mean \"author\"?`, "POST", "/api/_tx", `[{"op":"delete","model":"auther","id":"ann"}]`)
}

func TestIdempotency(t *testing.T) {
	r := newRig(t, rest.Options{})
	body := `{"slug":"x","title":"X"}`
	first := r.want(201, "", "POST", "/api/articles", body, "Idempotency-Key", "k1")
	again := r.want(201, first.text, "POST", "/api/articles", body, "Idempotency-Key", "k1")
	if again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("ETag") != first.header.Get("ETag") || again.header.Get("Location") != first.header.Get("Location") || first.header.Get("Idempotency-Replayed") != "" {
		t.Error(again.header)
	}
	r.want(422, "LTH1024", "POST", "/api/articles", `{"slug":"y","title":"Y"}`, "Idempotency-Key", "k1")
	r.want(200, `{"count":1}`, "GET", "/api/articles/count", "")
	r.want(422, "LTH1021", "POST", "/api/articles", `{"slug":"","title":"Y"}`, "Idempotency-Key", "k2")
	r.want(201, "", "POST", "/api/articles", `{"slug":"y","title":"Y"}`, "Idempotency-Key", "k2")
}

func TestCodesAreCompleteAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for i, c := range rest.Codes {
		if want := fmt.Sprintf("LTH%d", 1001+i); c.Code != want || seen[c.Title] || c.Hint == "" || c.Status < 400 {
			t.Errorf("%+v, want code %s, a title of its own and a hint", c, want)
		}
		seen[c.Title] = true
	}
}

func TestListsOfValuesAndAlternatives(t *testing.T) {
	r := newRig(t, rest.Options{})
	r.want(200, "", "POST", "/api/authors/_bulk", `[{"id":"a,b","email":"a@b.example"},{"id":"c","email":"c@b.example"},{"id":"d","email":"d@b.example"}]`)
	r.want(200, `[{"id":"a,b"},{"id":"d"}]`, "GET", `/api/authors?id=in(%22a,b%22,d,x)&fields=id`, "")
	r.want(200, `[{"id":"d"},{"id":"c"}]`, "GET", `/api/authors?or=(id=d,email=~c@)&fields=id&sort=-id`, "")
	r.want(200, `{"count":2}`, "GET", `/api/authors/count?or=(id=d,email=~c@)`, "")
	r.want(400, `did you mean \"email\"?`, "GET", `/api/authors?or=(emial=x)`, "")
}
