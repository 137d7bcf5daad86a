package lithair

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
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

// keyOf returns the secret of a subject.
func keyOf(t *testing.T, a *App, subject string) []byte {
	t.Helper()
	list, err := a.engine.Subjects()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Name == subject {
			if k, ok := state.KeyOf(a.engine.Root(), s.KeyID); ok && !k.Destroyed {
				return k.Secret[:]
			}
		}
	}
	t.Fatalf("subject %s has no key", subject)
	return nil
}

// holding counts the files below a directory that hold some bytes.
func holding(t *testing.T, dir string, b []byte) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if bytes.Contains(content, b) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSealedAndErased: sealed fields are read and written as others, stand nowhere in the
// clear, and are gone for good when their subject is erased, while all else stays.
func TestSealedAndErased(t *testing.T) {
	for name, cfg := range map[string]Config{"clear": {}, "encrypted": {EncryptionKeyFile: keyFile(t, keyA)}, "compressed": {LogCompress: true}} {
		t.Run(name, func(t *testing.T) { sealedAndErased(t, cfg) })
	}
}

func sealedAndErased(t *testing.T, cfg Config) {
	dir := t.TempDir()
	at := func(dir string) Config {
		c := cfg
		c.Dir = dir
		return c
	}
	var ring eventlog.KeyProvider
	a := newApp(t, at(dir))
	patients := withPatients(a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ring = a.keys
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

	key := keyOf(t, a, "ann")
	if encrypted := holding(t, dir, key) == 0; encrypted != (cfg.EncryptionKeyFile != "") {
		t.Fatal("the key stands nowhere, or in the clear where data is encrypted: the test shows nothing")
	}
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
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	if n := holding(t, dir, key); n > 0 {
		t.Errorf("%d files still hold the key", n)
	}
	if _, err := eventlog.Verify(eventlog.Config{Dir: filepath.Join(dir, "log"), Keys: ring}, nil); err != nil {
		t.Error(err)
	}

	b := newApp(t, at(dir))
	patients = withPatients(b)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	erased(b)
	if err := stop(b); err != nil {
		t.Fatal(err)
	}

	// A late backup that is restored to a moment before stays erased; an early one does not.
	for name, c := range map[string]struct {
		file  []byte
		shown bool
	}{"late": {late.Bytes(), false}, "early": {early.Bytes(), true}} {
		back := filepath.Join(t.TempDir(), name)
		if _, err := backup.Restore(bytes.NewReader(c.file), backup.Options{Dir: back, At: &before, Keys: ring}); err != nil {
			t.Fatal(err)
		}
		r := newApp(t, at(back))
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
		if err := stop(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSealedInACluster: a key that the leader makes opens on every node, an erasure asked of
// any node takes it off every disk, also off that of a node that was away.
func TestSealedInACluster(t *testing.T) {
	m := startCluster(t, 3, func(a *App) { withPatients(a) })
	lead := m.leader()
	create := func(node int, who string) {
		t.Helper()
		res := call(t, m.apps[node], "POST", "/api/patients", `{"person":"`+who+`","name":"`+marker+` of `+who+`"}`)
		if res.StatusCode != 201 {
			t.Fatalf("%d %s", res.StatusCode, res.body)
		}
	}
	follower := m.follower()
	for _, who := range []string{"ann", "bob"} {
		create(follower, who)
		create(lead, who)
	}
	m.equal()
	shown := func(node int, who string) (n int) {
		t.Helper()
		res := call(t, m.apps[node], "GET", "/api/patients?person="+who, "")
		if res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, res.body)
		}
		return strings.Count(res.body, marker)
	}
	for i := range m.apps {
		if ann, bob := shown(i, "ann"), shown(i, "bob"); ann != 2 || bob != 2 {
			t.Errorf("node %d shows %d and %d", i+1, ann, bob)
		}
	}
	key := keyOf(t, m.apps[lead], "ann")
	away := 3 - lead - follower
	if err := m.apps[away].Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.stop(away)
	if n := holding(t, m.cfgs[away].Dir, key); n != 2 {
		t.Fatalf("%d files of the node that is away hold the key, want log and snapshot", n)
	}
	if err := m.apps[follower].Erase(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if err := m.apps[follower].Erase(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	for _, i := range []int{lead, follower} {
		if n := holding(t, m.cfgs[i].Dir, key); n > 0 {
			t.Errorf("node %d: %d files hold the key", i+1, n)
		}
	}
	m.start(away)
	m.equal()
	if err := m.apps[away].engine.Erased(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := holding(t, m.cfgs[away].Dir, key); n > 0 {
		t.Errorf("the node that was away: %d files hold the key", n)
	}
	m.stop(m.leader()) // the next leader seals on
	lead = m.leader()
	create(lead, "bob")
	create(lead, "eve")
	if res := call(t, m.apps[lead], "POST", "/api/patients", `{"person":"ann","name":"again"}`); res.StatusCode != 422 {
		t.Errorf("for an erased subject: %d %s", res.StatusCode, res.body)
	}
	m.equal()
	for i, a := range m.apps {
		if a == nil {
			continue
		}
		if ann, bob, eve := shown(i, "ann"), shown(i, "bob"), shown(i, "eve"); ann != 0 || bob != 3 || eve != 1 {
			t.Errorf("node %d shows %d, %d and %d", i+1, ann, bob, eve)
		}
	}
}
