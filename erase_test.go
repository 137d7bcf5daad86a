package lithair

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/eventlog"
)

type patient struct {
	ID      ID      `json:"id" lithair:"primary_key"`
	Person  string  `json:"person" lithair:"indexed" privacy:"subject"`
	Name    string  `json:"name" http:"validate=max_length(60)" privacy:"sealed"`
	Note    *string `json:"note" privacy:"sealed"`
	Scan    []byte  `json:"scan" privacy:"sealed"`
	Visits  int64   `json:"visits"`
	Comment string  `json:"comment" lifecycle:"audited"`
}

func withPatients(a *App) *Collection[patient] { return Model[patient](a, "/api/patients") }

func eraseOver(t *testing.T, dir, body string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(dir, "operator.sock"))
	}}}
	res, err := client.Post("http://operator/erase", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// TestSealedAndErased: sealed fields are read and written as others, stand nowhere in the
// clear, and are gone for good when their subject is erased, while all else stays.
func TestSealedAndErased(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	patients := withPatients(a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret := func(who string) string { return marker + " of " + who }
	create := func(who string) string {
		t.Helper()
		res := call(t, a, "POST", "/api/patients", `{"person":"`+who+`","name":"`+secret(who)+`","note":"`+marker+`","scan":"AAEC","visits":1}`, "Idempotency-Key: "+who)
		if res.StatusCode != 201 || !strings.Contains(res.body, secret(who)) {
			t.Fatalf("%d %s", res.StatusCode, res.body)
		}
		return "/api/patients/" + res.Header.Get("Location")[len("/api/patients/"):]
	}
	ann, bob := create("ann"), create("bob")
	again := call(t, a, "POST", "/api/patients", `{"person":"ann","name":"`+secret("ann")+`","note":"`+marker+`","scan":"AAEC","visits":1}`, "Idempotency-Key: ann")
	if again.StatusCode != 201 || again.body != "" {
		t.Errorf("a retry: %d %s", again.StatusCode, again.body)
	}
	before := a.engine.Root().Seq()
	for _, path := range []string{ann, bob} {
		if res := call(t, a, "PATCH", path, `{"visits":2}`); res.StatusCode != 200 || !strings.Contains(res.body, marker) {
			t.Errorf("%d %s", res.StatusCode, res.body)
		}
		if res := call(t, a, "PATCH", path, `{"name":"`+strings.Repeat("x", 61)+`"}`); res.StatusCode != 422 {
			t.Errorf("rules are about what is sealed: %d", res.StatusCode)
		}
	}
	history := call(t, a, "GET", ann+"/history", "").body
	if strings.Count(history, secret("ann")) == 0 || strings.Contains(history, `"changed":["name"`) {
		t.Errorf("what did not change was sealed anew: %s", history)
	}
	for _, query := range []string{"?name=x", "?sort=name", "?note=null"} {
		if res := call(t, a, "GET", "/api/patients"+query, ""); res.StatusCode != 400 || !strings.Contains(res.body, "sealed") {
			t.Errorf("%s: %d %s", query, res.StatusCode, res.body)
		}
	}
	if res := call(t, a, "GET", "/api/patients?person=ann&fields=name", ""); !strings.Contains(res.body, secret("ann")) {
		t.Errorf("%s", res.body)
	}
	if res := call(t, a, "POST", "/api/patients", `{"name":"`+marker+`"}`); res.StatusCode != 422 {
		t.Errorf("without a subject: %d", res.StatusCode)
	}
	var early bytes.Buffer
	if _, err := a.Backup(t.Context(), &early); err != nil {
		t.Fatal(err)
	}
	if err := a.engine.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	nothingShows(t, dir)

	hash := a.engine.Root().Hash()
	for body, want := range map[string]int{`{"subject":"nobody"}`: 404, `{"subject":""}`: 404, `nonsense`: 400, `{"subject":"ann"}`: 204} {
		if got := eraseOver(t, dir, body); got != want {
			t.Errorf("erase %s: %d, want %d", body, got, want)
		}
	}
	if err := a.Erase(t.Context(), "ann"); err != nil {
		t.Errorf("once more: %v", err)
	}
	erased := func(a *App) {
		t.Helper()
		for _, path := range []string{ann, ann + "/history", ann + "?at=" + "3", "/api/patients?take=1&person=ann"} {
			if res := call(t, a, "GET", path, ""); res.StatusCode != 200 || strings.Contains(res.body, marker) || strings.Contains(res.body, "AAEC") || !strings.Contains(res.body, `"person":"ann"`) {
				t.Errorf("%s: %d %s", path, res.StatusCode, res.body)
			}
		}
		if res := call(t, a, "GET", ann, ""); !strings.Contains(res.body, `"visits":2`) && !strings.Contains(res.body, `"visits":3`) {
			t.Errorf("all else stays: %s", res.body)
		}
		if res := call(t, a, "GET", bob, ""); !strings.Contains(res.body, secret("bob")) {
			t.Errorf("somebody else: %s", res.body)
		}
		if err := a.View(func(s *Snapshot) error {
			for p, err := range patients.Scan(s) {
				if err != nil || p.Person == "ann" && (p.Name != "" || p.Note != nil || p.Scan != nil) {
					t.Errorf("%+v, %v", p, err)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if res := call(t, a, "PATCH", ann, `{"name":"back again"}`); res.StatusCode != 422 || !strings.Contains(res.body, "erased") {
			t.Errorf("sealing for an erased subject: %d %s", res.StatusCode, res.body)
		}
	}
	erased(a)
	if res := call(t, a, "PATCH", ann, `{"visits":3}`); res.StatusCode != 200 {
		t.Errorf("other fields can be changed: %d %s", res.StatusCode, res.body)
	}
	if a.engine.Root().Hash() == hash {
		t.Error("the erasure is no transaction")
	}
	var late bytes.Buffer
	if _, err := a.Backup(t.Context(), &late); err != nil {
		t.Fatal(err)
	}
	if err := a.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := eventlog.Verify(eventlog.Config{Dir: filepath.Join(dir, "log")}, nil); err != nil {
		t.Error(err)
	}

	b := newApp(t, Config{Dir: dir})
	patients = withPatients(b)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	erased(b)
	if err := b.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}

	// A late backup that is restored to a moment before stays erased; an early one does not.
	for name, c := range map[string]struct {
		file  []byte
		shown bool
	}{"late": {late.Bytes(), false}, "early": {early.Bytes(), true}} {
		back := filepath.Join(t.TempDir(), name)
		if _, err := backup.Restore(bytes.NewReader(c.file), backup.Options{Dir: back, At: &before}); err != nil {
			t.Fatal(err)
		}
		r := newApp(t, Config{Dir: back})
		withPatients(r)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if res := call(t, r, "GET", ann, ""); strings.Contains(res.body, marker) != c.shown {
			t.Errorf("%s: %s", name, res.body)
		}
		if res := call(t, r, "GET", bob, ""); !strings.Contains(res.body, secret("bob")) {
			t.Errorf("%s: %s", name, res.body)
		}
		if err := r.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErasureThatWasCutOff: the transaction is durable and the key is still there; the next
// start destroys it. Keys that are missing stop the start.
func TestErasureThatWasCutOff(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	patients := withPatients(a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(patients.Insert(tx, &patient{Person: "ann", Name: marker}), patients.Insert(tx, &patient{Person: "bob", Name: marker}))
	}); err != nil {
		t.Fatal(err)
	}
	id, err := a.engine.Erase(t.Context(), "ann", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, there := a.subjects.Load().Key(id); !there {
		t.Fatal("the key is gone already: the test shows nothing")
	}
	if err := a.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	b := newApp(t, Config{Dir: dir})
	withPatients(b)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, there := b.subjects.Load().Key(id); there || !b.subjects.Load().Destroyed(id) {
		t.Error("the erasure was not finished")
	}
	if err := b.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "subjects"), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	c := newApp(t, Config{Dir: dir})
	withPatients(c)
	if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "the keys of 2 subjects are missing") && !strings.Contains(err.Error(), "the keys of 1 subjects are missing") {
		t.Errorf("without keys: %v", err)
	}
}
