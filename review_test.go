package lithair

import (
	"bufio"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/model"
)

// registerAs registers a struct type under another name: a version of a model.
func registerAs(t *testing.T, a *App, name string, typ reflect.Type) {
	t.Helper()
	m, err := model.Of(typ)
	if err != nil {
		t.Fatal(err)
	}
	m.Name = name
	if _, err := a.engine.Register(m); err != nil {
		t.Fatal(err)
	}
}

type memo1 struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
	Kind string `json:"kind"`
}

// memo2 adds a field, memo3 renames one and drops another, memo4 changes a type, memo5 wants a
// value to be unique that is not, memo6 has a rule that records break.
type memo2 struct {
	ID    int    `json:"id"`
	Text  string `json:"text"`
	Kind  string `json:"kind"`
	Stars int    `json:"stars"`
}
type memo3 struct {
	ID   int    `json:"id"`
	Body string `json:"body" lithair:"was=text"`
}
type memo4 struct {
	ID   int    `json:"id"`
	Text int    `json:"text"`
	Kind string `json:"kind"`
}
type memo5 struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
	Kind string `json:"kind" lithair:"unique"`
}
type memo6 struct {
	ID   int    `json:"id"`
	Text string `json:"text" http:"validate=length(5,9)"`
	Kind string `json:"kind"`
}

// memoBranch gives number 4 to another field than memo2 does.
type memoBranch struct {
	ID    int    `json:"id"`
	Text  string `json:"text"`
	Kind  string `json:"kind"`
	Price int    `json:"price"`
}

// memos is a data directory with three memos.
func memos(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	registerAs(t, a, "memo", reflect.TypeFor[memo1]())
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := a.engine.Tables()[0]
	for i := range 3 {
		if err := a.Update(t.Context(), func(tx *Tx) error { return tx.tx.Insert(table, &memo1{ID: i, Text: "text", Kind: "same"}) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSchemaCommands classifies changes, counts records, replays the log, and writes the copy.
func TestSchemaCommands(t *testing.T) {
	dir := memos(t)
	file := filepath.Join(t.TempDir(), model.ReviewFile)
	do := func(typ reflect.Type, args string) (int, string) {
		t.Helper()
		a := newApp(t, Config{Dir: dir, Name: "memos"})
		registerAs(t, a, "memo", typ)
		var b strings.Builder
		code := a.program().Run(&cli.Console{In: bufio.NewReader(strings.NewReader("")), Out: &b, Err: &b}, strings.Fields("schema "+args+" -file "+file))
		return code, b.String()
	}
	for _, c := range []struct {
		typ  reflect.Type
		args string
		code int
		want []string
	}{
		{reflect.TypeFor[memo1](), "diff", 0, []string{"nothing differs"}}, // without a copy, from the log
		{reflect.TypeFor[memo1](), "apply", 0, []string{"wrote "}},
		{reflect.TypeFor[memo1](), "diff -check", 0, []string{"nothing differs"}},
		{reflect.TypeFor[memo2](), "diff -check", 1, []string{"safe       memo.stars: the field is new, with number 4", "not up to date"}},
		{reflect.TypeFor[memo2](), "plan", 0, []string{"replayed ", "up to sequence 4; 3 events decoded"}},
		{reflect.TypeFor[memo3](), "plan", 0, []string{"breaking   memo.body: text is now called body; its values stay, clients know the old name (3 records)", "lossy      memo.kind: the field goes: its values stay in old records, and nobody sees them (3 records)"}},
		{reflect.TypeFor[memo3](), "apply", 1, []string{"-allow-breaking agrees"}},
		{reflect.TypeFor[memo3](), "apply -allow-breaking", 1, []string{"-allow-lossy agrees"}},
		{reflect.TypeFor[memo4](), "plan", 1, []string{"memo.Text was stored as string and is now int"}},
		{reflect.TypeFor[memo5](), "plan", 1, []string{"breaking   memo.kind: its values must be unique (3 records)", "the start would be refused: state: memo.kind cannot become unique: records 0 and 1 have the same value"}},
		{reflect.TypeFor[memo5](), "apply -allow-breaking", 1, []string{"not possible as it is; nothing was written"}},
		{reflect.TypeFor[memo6](), "plan", 0, []string{"note: 3 records of memo break its rules as they are now, such as 0: text"}},
		{reflect.TypeFor[memo2](), "plan -json", 0, []string{`"class":"safe"`, `"events_decoded":3`, `"records":{"memo":3}`}},
	} {
		code, out := do(c.typ, c.args)
		for _, want := range c.want {
			if code != c.code || !strings.Contains(out, want) {
				t.Errorf("%v %s: exit code %d, want %d and %q:\n%s", c.typ, c.args, code, c.code, want, out)
			}
		}
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if code, out := do(reflect.TypeFor[memo1](), "apply"); code != 0 {
		t.Error(out)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the same schemas gave another text: %v\n%s\n%s", err, before, after)
	}
	if code, out := do(reflect.TypeFor[memo3](), "apply -allow-breaking -allow-lossy"); code != 0 || !strings.Contains(out, "wrote ") {
		t.Errorf("%d %s", code, out)
	}
	start := func(typ reflect.Type) string {
		a := newApp(t, Config{Dir: dir, SchemaFile: file})
		registerAs(t, a, "memo", typ)
		err := a.Start(t.Context())
		if err == nil {
			return errText(a.Shutdown(t.Context()))
		}
		return err.Error()
	}
	if text := start(reflect.TypeFor[memo1]()); !strings.Contains(text, "memo.body: the program is not as reviewed: the field goes") {
		t.Errorf("the old program with the new copy: %s", text)
	}
	if text := start(reflect.TypeFor[memo3]()); text != "" {
		t.Errorf("the new program: %s", text)
	}
	var b strings.Builder
	c := &cli.Console{In: bufio.NewReader(strings.NewReader("")), Out: &b, Err: &b}
	a := newApp(t, Config{Dir: dir, Name: "memos"})
	if code := a.program().Run(c, []string{"schema", "history"}); code != 0 || !strings.Contains(b.String(), "memo version 2\n  breaking   body: text is now called body") {
		t.Errorf("%d %s", code, b.String())
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestReviewRefusesDisagreement has program, copy and log disagree in each way.
func TestReviewRefusesDisagreement(t *testing.T) {
	next := func(old *model.Review, typ reflect.Type) *model.Review {
		t.Helper()
		m, err := model.Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		m.Name = "memo"
		r, err := old.Next([]*model.Model{m})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := next(nil, reflect.TypeFor[memo1]())
	text := func(r *model.Review) []byte {
		b, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	dir := memos(t)
	run := func(dir string, schema []byte, typ reflect.Type) string {
		a := newApp(t, Config{Dir: dir, Schema: schema})
		registerAs(t, a, "memo", typ)
		if err := a.Start(t.Context()); err != nil {
			return err.Error()
		}
		return errText(a.Shutdown(t.Context()))
	}
	for _, c := range []struct {
		name   string
		schema []byte
		typ    reflect.Type
		want   string
	}{
		{"agreed", text(first), reflect.TypeFor[memo1](), ""},
		{"not reviewed", text(first), reflect.TypeFor[memo2](), "memo.stars: the program is not as reviewed: the field is new, with number 4"},
		{"reviewed", text(next(first, reflect.TypeFor[memo2]())), reflect.TypeFor[memo2](), ""}, // the log has number 4 now
		{"another branch", text(next(first, reflect.TypeFor[memoBranch]())), reflect.TypeFor[memoBranch](), "memo.stars: number 4 is this field in the log, and price in lithair.schema.json"},
		{"an older copy", text(first), reflect.TypeFor[memo1](), "memo.stars: the log has this field, with number 4, and lithair.schema.json has not"},
		{"no copy of it", []byte(`{"format":1,"models":[]}`), reflect.TypeFor[memo2](), "memo: the program has this model and lithair.schema.json does not"},
		{"no JSON", []byte(`{"format":1,`), reflect.TypeFor[memo2](), "schema-file: model: review: "},
		{"the future", []byte(`{"format":2}`), reflect.TypeFor[memo2](), "format 2 is unknown here"},
		{"a number twice", []byte(strings.Replace(string(text(first)), `"number": 3`, `"number": 2`, 1)), reflect.TypeFor[memo1](), `memo.kind has number 2, as "text" has: two branches gave it`},
	} {
		if got := run(dir, c.schema, c.typ); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// A new log gets the numbers of the copy, which has fields behind it that came and went.
	grown := next(next(first, reflect.TypeFor[memo3]()), reflect.TypeFor[memo2]())
	fresh := t.TempDir()
	if got := run(fresh, text(grown), reflect.TypeFor[memo2]()); got != "" {
		t.Fatal(got)
	}
	a := newApp(t, Config{Dir: fresh, Schema: text(grown)})
	registerAs(t, a, "memo", reflect.TypeFor[memo2]())
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	s := a.engine.Tables()[0].Schema()
	for _, f := range grown.Find("memo").Fields {
		if got := s.ByNumber(f.Number); got == nil || got.Name != f.Name || got.Dropped != f.Dropped {
			t.Errorf("number %d is %+v, reviewed as %+v", f.Number, got, f)
		}
	}
}

// memo7 has another name for a field and does not say so, memo8 does; memo9 drops it, and adds another one later.
type memo7 struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
	Kind string `json:"kind"`
}
type memo8 struct {
	ID   int    `json:"id"`
	Body string `json:"body" lithair:"was=text"`
	Kind string `json:"kind"`
}
type memo9 struct {
	ID   int    `json:"id"`
	Kind string `json:"kind"`
}

// TestNoFieldIsLostToSightUnsaid: a start under a field that may be an old one by another name is refused, and plan says that it would be; it is
// not where that is said, where one goes before the other comes, where it was reviewed, or where there are no records. What goes is logged once.
func TestNoFieldIsLostToSightUnsaid(t *testing.T) {
	start := func(dir string, typ reflect.Type, schema []byte) (logged string, err error) {
		t.Helper()
		var b strings.Builder
		a := newApp(t, Config{Dir: dir, Schema: schema, Logger: slog.New(slog.NewTextHandler(&b, nil))})
		registerAs(t, a, "memo", typ)
		if err = a.Start(t.Context()); err == nil {
			err = a.Shutdown(t.Context())
		}
		return b.String(), err
	}
	dir := memos(t)
	_, err := start(dir, reflect.TypeFor[memo7](), nil)
	if _, ok := errors.AsType[*model.RenameError](err); !ok || !strings.Contains(err.Error(), `memo.text is gone and body, of the same type, is new`) || !strings.Contains(err.Error(), `lithair:"was=text"`) {
		t.Fatalf("a field has another name: %v", err)
	}
	schema := func(args string) (code int, out string) {
		a := newApp(t, Config{Dir: dir, Name: "memos"})
		registerAs(t, a, "memo", reflect.TypeFor[memo7]())
		var b strings.Builder
		code = a.program().Run(&cli.Console{In: bufio.NewReader(strings.NewReader("")), Out: &b, Err: &b}, strings.Fields("schema "+args))
		return code, b.String()
	}
	file := filepath.Join(t.TempDir(), model.ReviewFile)
	if code, out := schema("plan -file " + file); code != 1 || !strings.Contains(out, "the start would be refused: model: memo.text is gone") {
		t.Errorf("plan: %d %s", code, out)
	}
	for i, typ := range []reflect.Type{reflect.TypeFor[memo9](), reflect.TypeFor[memo9](), reflect.TypeFor[memo7]()} {
		logged, err := start(dir, typ, nil)
		if err != nil || strings.Contains(logged, "model=memo field=text records=3") != (i == 0) {
			t.Errorf("one after the other, start %d: %v\n%s", i, err, logged)
		}
	}
	if _, err := start(memos(t), reflect.TypeFor[memo8](), nil); err != nil {
		t.Errorf("the tag says it: %v", err)
	}
	dir = memos(t)
	if code, out := schema("apply -allow-lossy -file " + file); code != 0 {
		t.Fatalf("apply: %d %s", code, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(dir, reflect.TypeFor[memo7](), text); err != nil {
		t.Errorf("it was reviewed: %v", err)
	}
	empty := t.TempDir()
	for _, typ := range []reflect.Type{reflect.TypeFor[memo1](), reflect.TypeFor[memo7]()} {
		if _, err := start(empty, typ, nil); err != nil {
			t.Errorf("without records: %v", err)
		}
	}
}
