package sample_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/examples/internal/sample"
	"github.com/lithair/lithair-go/examples/internal/sample/plain"
	"github.com/lithair/lithair-go/internal/gen"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
)

// TestUpToDate: what is committed, here and elsewhere in the module, is what the generator
// makes, and makes again.
func TestUpToDate(t *testing.T) {
	files, err := filepath.Glob("../../../*/*/" + gen.FileName)
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob("../../../*/" + gen.FileName)
	if err != nil {
		t.Fatal(err)
	}
	files = append(append(files, found...), gen.FileName)
	for _, name := range files {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			p, err := gen.Load(filepath.Dir(name))
			if err != nil {
				t.Fatal(err)
			}
			out, err := gen.Generate(p)
			if err != nil || len(out.Mistakes)+len(out.Notes) > 0 {
				t.Fatal(err, out.Mistakes, out.Notes)
			}
			if !bytes.Equal(out.Source, want) {
				t.Fatal(gen.Diff(name, string(want), string(out.Source)))
			}
		}
	}
	t.Logf("%d files", len(files))
}

// TestJSONIsGenerated: the code for JSON says what jsonx sees of the types, so that it is used.
func TestJSONIsGenerated(t *testing.T) {
	for _, v := range []any{&sample.Article{}, &sample.Author{}, &sample.Line{}, &sample.Part{}} {
		made := reflect.ValueOf(v).MethodByName("GeneratedJSON").Call(nil)[1].Interface().([]string)
		if want := jsonx.Members(reflect.TypeOf(v).Elem()); !slices.Equal(made, want) {
			t.Errorf("%T: code for %q, and it has %q", v, made, want)
		}
	}
	if _, ok := reflect.TypeFor[*plain.Article]().MethodByName("GeneratedJSON"); ok {
		t.Error("plain has generated code")
	}
}

// TestSameModels: the two packages differ in comments and generated code alone.
func TestSameModels(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[sample.Article](), reflect.TypeFor[plain.Article]()},
		{reflect.TypeFor[sample.Author](), reflect.TypeFor[plain.Author]()},
	} {
		if a, b := model.Fingerprint(pair[0]), model.Fingerprint(pair[1]); a != b {
			t.Errorf("%s is %s, and %s is %s", pair[0], a, pair[1], b)
		}
		if _, ok := reflect.PointerTo(pair[1]).MethodByName("Violations"); ok {
			t.Errorf("%s has generated code", pair[1])
		}
	}
}

// program is one application that is started.
type program struct {
	app *lithair.App
	dir string
}

func start(t *testing.T, register func(*lithair.App)) *program {
	t.Helper()
	p := &program{dir: t.TempDir()}
	p.app = lithair.New(lithair.Config{Dir: p.dir, Addr: "127.0.0.1:0", Name: "sample", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Clock: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	register(p.app)
	if err := p.app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.app.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// call sends a request and returns everything of the answer but its date, as text.
func (p *program) call(t *testing.T, id int, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+p.app.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", strconv.Itoa(id))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	res.Header.Del("Date")
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %v\n%s", res.Status, res.Header, b)
}

// payloads are the records of the log.
func (p *program) payloads(t *testing.T) (all [][]byte) {
	t.Helper()
	log, err := eventlog.Open(eventlog.Config{Dir: p.dir + "/log"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for index := log.First(); index <= log.Last(); {
		records, err := log.Read(index, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Kind == consensus.KindConfig {
				r.Payload = nil // it names the history, by chance
			}
			all = append(all, append([]byte{byte(r.Kind)}, r.Payload...))
		}
		index += uint64(len(records))
	}
	return all
}

// TestSameBehaviour drives the program with and without generated code over the same
// requests: answers, log and state are the same, byte for byte.
func TestSameBehaviour(t *testing.T) {
	with := start(t, func(app *lithair.App) { sample.Register(app) })
	without := start(t, plain.Register)
	n := 400
	if os.Getenv("LITHAIR_LONG") != "" {
		n = 20_000
	}
	r := requests{rand: rand.New(rand.NewPCG(1, 2))}
	statuses := map[string]int{}
	for i := range n {
		method, path, body := r.next()
		a, b := with.call(t, i, method, path, body), without.call(t, i, method, path, body)
		if a != b {
			t.Fatalf("request %d, %s %s %s\nwith generated code:\n%s\nwithout:\n%s", i, method, path, body, a, b)
		}
		statuses[a[:3]]++
	}
	for _, want := range []string{"200", "201", "204", "400", "404", "409", "422"} {
		if statuses[want] == 0 {
			t.Errorf("no answer has status %s: %v", want, statuses)
		}
	}
	hash := func(p *program) (h [16]byte) {
		p.app.View(func(s *lithair.Snapshot) error { h = s.Hash(); return nil })
		return h
	}
	if a, b := hash(with), hash(without); a != b {
		t.Errorf("the state is %x with generated code, and %x without", a, b)
	}
	with.stop(t)
	without.stop(t)
	a, b := with.payloads(t), without.payloads(t)
	if !slices.EqualFunc(a, b, bytes.Equal) {
		t.Errorf("the logs differ: %d and %d records", len(a), len(b))
	}
	t.Logf("%d requests, %v, %d records", n, statuses, len(a))
}

// requests makes requests of all kinds, good and bad.
type requests struct {
	rand *rand.Rand
	made int
}

func (r *requests) one(list ...string) string { return list[r.rand.IntN(len(list))] }

// chance is one in n.
func (r *requests) chance(n int) bool { return r.rand.IntN(n) == 0 }

func (r *requests) id() string {
	return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", r.rand.IntN(r.made/2+2))
}

func (r *requests) next() (method, path, body string) {
	switch r.rand.IntN(12) {
	case 0:
		return "POST", "/api/people", fmt.Sprintf(`{"id":%d,"name":%q}`, r.rand.IntN(20), r.one("Ann", "Bob", "", "Cy", "Di", strings.Repeat("x", 90)))
	case 1:
		return "DELETE", r.one("/api/articles/"+r.id(), "/api/people/"+strconv.Itoa(r.rand.IntN(20))), ""
	case 2:
		return "GET", r.one("/api/articles", "/api/articles?status=new&sort=-views", "/api/articles?views=>=50&take=5", "/api/articles?title=~a&fields=id,title,lines",
			"/api/articles?author_id=!null", "/api/articles?nonsense=1", "/api/articles/count?rank=<100", "/api/articles?due=null", "/api/articles?from=10.0.0.1"), ""
	case 3:
		return "GET", "/api/articles/" + r.id() + r.one("", "/history", "/blame"), ""
	case 4:
		return "PATCH", "/api/articles/" + r.id(), "{" + r.some() + "}"
	case 5:
		return "PUT", "/api/articles/" + r.id(), r.article("")
	case 6:
		return "POST", "/api/_tx", fmt.Sprintf(`{"operations":[{"op":"create","model":"Article","data":%s},{"op":"delete","model":"Article","id":%q}]}`, r.article(r.id()), r.id())
	}
	r.made++
	return "POST", "/api/articles", r.article(r.id())
}

// some are members of an article, good ones most of the time.
func (r *requests) some() string {
	all := []string{
		fmt.Sprintf(`"rank":%d`, r.rand.IntN(1010)), fmt.Sprintf(`"title":%q`, r.one("A", "Ba", "Ça va?", "", strings.Repeat("é", 30), strings.Repeat("é", 31))+strconv.Itoa(r.rand.IntN(9))),
		`"mail":` + r.one(`"a@b.org"`, `null`, `"nobody"`, `"ann@example.com"`), `"status":` + r.one(`"new"`, `"old"`, `""`, `7`), fmt.Sprintf(`"views":%d`, r.rand.IntN(104)),
		fmt.Sprintf(`"size":%d`, r.rand.IntN(520)), `"ratio":` + r.one("0.25", "-0.5", "1e3", "-0.5000001", "1000.1", "1e-7"), `"small":` + r.one("null", "0", "1.5", "-1"), `"draft":` + r.one("true", "false"),
		`"author_id":` + r.one("null", strconv.Itoa(r.rand.IntN(25))), `"lines":` + r.one("[]", "null", r.lines()), `"first":` + r.one("null", r.line()), `"tags":` + r.one(`["a","b"]`, `[]`, `["a","b","c","d"]`),
		fmt.Sprintf(`"meta":{"k/%d":%s,"a~":%s}`, r.rand.IntN(3), r.line(), r.line()), `"counts":{"2":5,"-1":7}`, `"from":` + r.one(`"10.0.0.1"`, `"::1"`, `"elsewhere"`, `""`), `"took":1500`, `"raw":"AAEC"`, `"next":` + r.one("null", `"01890a5d-ac96-774b-bcce-000000000001"`, `"x"`),
		`"due":` + r.one("null", `"2026-03-01T12:00:00Z"`, `"2026-03-01T12:00:00.123456789+02:00"`), `"link":` + r.one(`"https://a.b"`, `"x"`, `""`),
	}
	if r.chance(30) {
		all = append(all, r.one(`"secret":"x"`, `"unknown":1`, `"created_at":"2026-03-01T12:00:00Z"`))
	}
	r.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return strings.Join(all[:1+r.rand.IntN(5)], ",")
}

func (r *requests) article(id string) string {
	rest := r.some()
	if !strings.Contains(rest, `"title"`) {
		rest += fmt.Sprintf(`,"title":"T%d"`, r.rand.IntN(1000))
	}
	if !strings.Contains(rest, `"from"`) {
		rest += `,"from":"10.0.0.2"`
	}
	if id != "" {
		rest += fmt.Sprintf(`,"id":%q`, id)
	}
	text := fmt.Sprintf(`{"slug":%q,%s}`, r.one("a", "b-c", "d-", "", "E")+strconv.Itoa(r.rand.IntN(400)), rest)
	if r.chance(40) {
		return text[:len(text)/2]
	}
	return text
}

func (r *requests) lines() string { return "[" + r.line() + "," + r.line() + "]" }

func (r *requests) line() string {
	return fmt.Sprintf(`{"name":%q,"n":%d,"sub":{"text":%q},"more":[{"text":%q}]}`, r.one("x", "y", "z", ""), r.rand.IntN(7), r.one("a", "b", "toolong"), r.one("c", "d", "e", "toolong"))
}

// TestTyped goes through what is generated for a collection: lookups, conditions, events.
func TestTyped(t *testing.T) {
	var models *sample.Models
	seen := make(chan string, 100)
	p := start(t, func(app *lithair.App) {
		models = sample.Register(app)
		models.Articles.OnCommit("articles", sample.ArticleEvents{
			Created: func(_ context.Context, e sample.ArticleCreated) error {
				seen <- fmt.Sprintf("%d created %s %s", e.Seq, e.Article.Slug, e.Article.Title)
				return nil
			},
			Updated: func(_ context.Context, e sample.ArticleUpdated) error {
				seen <- fmt.Sprintf("%d updated %s: title %v %q, mail %v %v, views %v", e.Seq, e.ID, e.Title.Set, e.Title.To, e.Mail.Set, e.Mail.To, e.Views.Set)
				return nil
			},
			Deleted: func(_ context.Context, e sample.ArticleDeleted) error {
				seen <- fmt.Sprintf("%d deleted %s", e.Seq, e.ID)
				return nil
			},
		})
	})
	defer p.stop(t)
	var ids []lithair.ID
	author, mail := int64(7), "a@b.org"
	update := func(fn func(tx *lithair.Tx) error) {
		t.Helper()
		if err := p.app.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *lithair.Tx) error { return models.Authors.Insert(tx, &sample.Author{ID: author, Name: "Ann"}) })
	for i := range 5 {
		update(func(tx *lithair.Tx) error {
			a := sample.Article{Slug: fmt.Sprintf("s%d", i), Title: fmt.Sprintf("T%d", i%3), Views: int64(i * 10), Status: "new", Mail: &mail}
			if i%2 == 0 {
				a.AuthorID, a.Status, a.Mail = &author, "old", nil
			}
			err := models.Articles.Insert(tx, &a)
			ids = append(ids, a.ID)
			return err
		})
	}
	update(func(tx *lithair.Tx) error {
		a, err := models.Articles.Get(tx, ids[1])
		if err != nil {
			return err
		}
		a.Title, a.Mail = "New", nil
		return models.Articles.Put(tx, &a)
	})
	update(func(tx *lithair.Tx) error { return models.Articles.Delete(tx, ids[0]) })
	for _, want := range []string{
		"3 created s0 T0", "4 created s1 T1", "5 created s2 T2", "6 created s3 T0", "7 created s4 T1",
		"8 updated " + ids[1].String() + `: title true "New", mail true <nil>, views false`, "9 deleted " + ids[0].String(),
	} {
		if got := <-seen; got[2:] != want[2:] {
			t.Errorf("an event is %q, want %q", got, want)
		}
	}
	f := sample.ArticleField
	err := p.app.View(func(s *lithair.Snapshot) error {
		if a, err := models.Articles.BySlug(s, "s3"); err != nil || a.ID != ids[3] {
			t.Error(a, err)
		}
		if _, err := models.Articles.BySlug(s, "s0"); err != lithair.ErrNotFound {
			t.Error(err)
		}
		if a, err := models.Articles.ByTitleAndViews(s, "T2", 20); err != nil || a.ID != ids[2] {
			t.Error(a, err)
		}
		if _, err := models.Articles.ByTitleAndViews(s, "T2", 21); err != lithair.ErrNotFound {
			t.Error(err)
		}
		last, err := models.Articles.Get(s, ids[4])
		if err != nil {
			return err
		}
		for _, c := range []struct {
			what string
			got  func(func(sample.Article, error) bool)
			want string
		}{
			{"ByAuthorID", models.Articles.ByAuthorID(s, author), "s2 s4"},
			{"ByStatus", models.Articles.ByStatus(s, "new"), "s1 s3"},
			{"ByViews", models.Articles.ByViews(s, 30), "s3"},
			{"ByRank", models.Articles.ByRank(s, 0), "s1 s2 s3 s4"},
			{"ByRank of nobody", models.Articles.ByRank(s, 1), ""},
			{"ByStatusAndCreatedAt", models.Articles.ByStatusAndCreatedAt(s, last.Status, last.CreatedAt), last.Slug},
			{"ByStatusAndCreatedAt of another time", models.Articles.ByStatusAndCreatedAt(s, last.Status, last.CreatedAt.Add(-time.Hour)), ""},
			{"all", models.Articles.Where(s), "s1 s2 s3 s4"},
			{"AtLeast, Less", models.Articles.Where(s, f.Views.AtLeast(20), f.Views.Less(40)), "s2 s3"},
			{"Greater, AtMost", models.Articles.Where(s, f.Views.Greater(20), f.Views.AtMost(40)), "s3 s4"},
			{"In", models.Articles.Where(s, f.Slug.In("s1", "s4", "s9")), "s1 s4"},
			{"Is", models.Articles.Where(s, f.Status.Is("new"), f.Slug.Not("s1")), "s3"},
			{"Contains", models.Articles.Where(s, f.Title.Contains("NEW")), "s1"},
			{"IsNull", models.Articles.Where(s, f.AuthorID.IsNull()), "s1 s3"},
			{"NotNull", models.Articles.Where(s, f.Mail.NotNull()), "s3"},
			{"Is of optional", models.Articles.Where(s, f.AuthorID.Is(7)), "s2 s4"},
			{"embedded", models.Articles.Where(s, f.Rank.Is(0), f.ID.Is(ids[2])), "s2"},
		} {
			var slugs []string
			for a, err := range c.got {
				if err != nil {
					return fmt.Errorf("%s: %w", c.what, err)
				}
				slugs = append(slugs, a.Slug)
			}
			if got := strings.Join(slugs, " "); got != c.want {
				t.Errorf("%s gives %q, want %q", c.what, got, c.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTypedAuthors: the same of a model whose key is a number.
func TestTypedAuthors(t *testing.T) {
	var authors *sample.Authors
	seen := make(chan string, 10)
	p := start(t, func(app *lithair.App) {
		authors = sample.Register(app).Authors
		authors.OnCommit("authors", sample.AuthorEvents{
			Created: func(_ context.Context, e sample.AuthorCreated) error {
				seen <- fmt.Sprintf("created %d %s", e.Author.ID, e.Author.Name)
				return nil
			},
			Updated: func(_ context.Context, e sample.AuthorUpdated) error {
				seen <- fmt.Sprintf("updated %d: name %v %q, secret %v, uuid %v", e.ID, e.Name.Set, e.Name.To, e.Secret.Set, e.UUID.Set)
				return nil
			},
			Deleted: func(_ context.Context, e sample.AuthorDeleted) error {
				seen <- fmt.Sprint("deleted ", e.ID)
				return nil
			},
		})
	})
	defer p.stop(t)
	ann := sample.Author{ID: 7, Name: "Ann", Secret: "s"}
	for _, do := range []func(tx *lithair.Tx) error{
		func(tx *lithair.Tx) error { return authors.Insert(tx, &ann) },
		func(tx *lithair.Tx) error { return authors.Insert(tx, &sample.Author{ID: 8, Name: "Bob"}) },
		func(tx *lithair.Tx) error { ann.Name = "Anna"; return authors.Put(tx, &ann) },
		func(tx *lithair.Tx) error { return authors.Delete(tx, 8) },
	} {
		if err := p.app.Update(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"created 7 Ann", "created 8 Bob", `updated 7: name true "Anna", secret false, uuid false`, "deleted 8"} {
		if got := <-seen; got != want {
			t.Errorf("an event is %q, want %q", got, want)
		}
	}
	f := sample.AuthorField
	err := p.app.View(func(s *lithair.Snapshot) error {
		if a, err := authors.ByName(s, "Anna"); err != nil || a.ID != 7 {
			t.Error(a, err)
		}
		if _, err := authors.Get(s, 8); err != lithair.ErrNotFound {
			t.Error(err)
		}
		n := 0
		for a, err := range authors.Where(s, f.Name.Contains("nn"), f.ID.Less(8)) {
			if n++; err != nil || a != ann {
				t.Error(a, err)
			}
		}
		if n != 1 {
			t.Errorf("%d authors", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, a := range []sample.Author{ann, {ID: -1, Name: "<\"&>", UUID: strings.Repeat("u", 36)}} {
		got, err := jsonx.Marshal(&a)
		if want := plainJSON(a); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

// plainJSON encodes an author by its members, without what is generated.
func plainJSON(a sample.Author) string {
	type bare sample.Author
	b, err := jsonx.Marshal(bare(a))
	if err != nil {
		return err.Error()
	}
	return string(b)
}
