package lithair

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

type memo struct {
	ID     int64  `json:"id" lithair:"primary_key"`
	Owner  string `json:"owner" lithair:"indexed" http:"hidden"`
	Team   string `json:"team"`
	Public bool   `json:"public"`
	Text   string `json:"text"`
	File   *Blob  `json:"file"`
}

// memoLog is a model that is not served.
type memoLog struct {
	ID   int64  `json:"id" lithair:"primary_key"`
	Text string `json:"text"`
}

// ruledApp serves memos that their owner, the owner's team and, where they are public, everybody may read. A
// token is a name, or name:team, or name:team:admin.
func ruledApp(t *testing.T) (*App, *Collection[memo]) {
	a := newApp(t, Config{})
	memos := Model[memo](a, "/memos")
	memos.ReadRule("or=(owner={id},team=in({roles},{claims.guest}),public=true)", "admin")
	who := func(token string) (Principal, error) {
		parts := strings.Split(token, ":")
		return Principal{ID: parts[0], Roles: parts[1:]}, nil
	}
	Model[memoLog](a, "")
	a.Authenticate(func(r *wire.Request) (Principal, error) { return who(r.Header("Authorization")) })
	a.AuthenticateToken(who)
	start(t, a)
	var all []memo
	for i, m := range []memo{{Owner: "anna", Team: "red"}, {Owner: "bert", Team: "blue"}, {Owner: "bert", Team: "red", Public: true}, {Owner: "", Team: "green"}, {Owner: "{id}", Team: ""}} {
		m.ID, m.Text = int64(i+1), "first"
		all = append(all, m)
	}
	if err := a.Update(t.Context(), func(tx *Tx) error {
		for i := range all {
			if err := memos.Insert(tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return a, memos
}

// TestReadRule: what somebody may not read is in no answer, and is not there for writes either.
func TestReadRule(t *testing.T) {
	a, _ := ruledApp(t)
	ask := func(token, method, path, body string) (int, string) {
		t.Helper()
		fields := []string{"Authorization: " + token}
		got := call(t, a, method, path, body, fields...)
		return got.StatusCode, got.body
	}
	asked := 0
	for token, sees := range map[string]string{"anna": "13", "bert": "23", "carl": "3", "": "3", "carl:red": "13", "carl:red:blue": "123", "{id}": "35", "root:admin": "12345", "x\",public=false,\"": "3", "green": "3"} {
		var ids strings.Builder
		for id := 1; id <= 5; id++ {
			status, _ := ask(token, "GET", fmt.Sprint("/memos/", id), "")
			for _, path := range []string{"/memos/%d/history", "/memos/%d/blame"} {
				if got, body := ask(token, "GET", fmt.Sprintf(path, id), ""); got != status {
					t.Errorf("%q: %s is %d, the record %d: %s", token, fmt.Sprintf(path, id), got, status, body)
				}
			}
			if status == 200 {
				fmt.Fprint(&ids, id)
			} else if status != 404 {
				t.Errorf("%q: memo %d: %d", token, id, status)
			}
			asked++
		}
		if ids.String() != sees {
			t.Errorf("%q reads %s one by one, want %s", token, ids.String(), sees)
		}
		_, list := ask(token, "GET", "/memos?sort=-id&team=!nobody", "")
		_, count := ask(token, "GET", "/memos/count", "")
		if want := fmt.Sprintf(`"total":%d`, len(sees)); !strings.Contains(list, want) || count != fmt.Sprintf(`{"count":%d}`, len(sees)) || strings.Count(list, `"id":`) != len(sees) {
			t.Errorf("%q: list %s, count %s, want %d", token, list, count, len(sees))
		}
	}
	t.Logf("%d records asked for", asked)
	for _, w := range []struct{ method, path, body string }{
		{"PUT", "/memos/2", `{"team":"x","public":false,"text":"y"}`}, {"PATCH", "/memos/2", `{"text":"y"}`}, {"DELETE", "/memos/2", ""},
		{"POST", "/memos/_bulk", `[{"op":"patch","id":2,"data":{"text":"y"}}]`}, {"POST", "/memos/_bulk", `[{"op":"delete","id":2}]`},
		{"POST", "/api/_tx", `[{"op":"patch","model":"memo","id":2,"data":{}}]`}, {"POST", "/api/_tx", `[{"op":"put","model":"memo","id":2,"data":{"team":"x","public":false,"text":"y"}}]`},
		{"POST", "/api/_tx", `[{"op":"delete","model":"memo","id":2}]`}, {"DELETE", "/memos/2/file", ""}, {"GET", "/memos/2/file", ""},
	} {
		if status, body := ask("anna", w.method, w.path, w.body); status != 404 {
			t.Errorf("%s %s of another's: %d %s", w.method, w.path, status, body)
		}
	}
	for token, want := range map[string]int{"anna": 404, "bert": 200, "root:admin": 200} {
		if got := send(t, a, "PUT", "/memos/2/file", "text/plain", []byte("bert's"), "Authorization: "+token); got.StatusCode != want {
			t.Errorf("%s puts a file: %d %s", token, got.StatusCode, got.body)
		}
		if status, body := ask(token, "GET", "/memos/2/file", ""); status != want || want == 200 && body != "bert's" {
			t.Errorf("%s reads the file: %d %s", token, status, body)
		}
	}
	for what, want := range map[string]int{`"expect":"exists"`: 412, `"expect":"absent"`: 200} {
		if status, body := ask("anna", "POST", "/api/_tx", `[{"op":"check","model":"memo","id":2,`+what+`}]`); status != want {
			t.Errorf("check %s: %d %s", what, status, body)
		}
	}
	if status, body := ask("root:admin", "POST", "/api/_tx", `[{"op":"create","model":"memo_log","data":{"id":1,"text":"x"}}]`); status != 400 || !strings.Contains(body, "is not a model") {
		t.Errorf("of a model that is not served: %d %s", status, body)
	}
	if status, body := ask("bert", "PATCH", "/memos/2", `{"text":"y"}`); status != 200 {
		t.Errorf("bert's own: %d %s", status, body)
	}
}

// TestReadRuleMistakes: a rule that cannot be is reported by Start.
func TestReadRuleMistakes(t *testing.T) {
	for rule, want := range map[string]string{
		"": "no condition", "ovner={id}": "is not a field of memo", "owner={name}": "is no claim", "sort=id": "no meaning in a rule", "or=(owner={id}": "parenthesis", "public=maybe": "public", "owner={claims.}": "is no claim",
	} {
		a := newApp(t, Config{})
		Model[memo](a, "/memos").ReadRule(rule)
		if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", rule, err, want)
		}
	}
}

// TestReadRuleLive: live queries and feeds tell of what somebody may read; when that changes with a
// new token, subscriptions end.
func TestReadRuleLive(t *testing.T) {
	a, memos := ruledApp(t)
	dial := func(token string) *liveSocket {
		c, err := ws.Dial(t.Context(), "ws://"+a.Addr()+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}, Header: [][2]string{{"Authorization", token}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		s := &liveSocket{t, c}
		s.want(`"op":"ready"`)
		return s
	}
	change := func(id int64, fn func(m *memo)) {
		t.Helper()
		if err := a.Update(t.Context(), func(tx *Tx) error {
			m, err := memos.Get(tx, id)
			if errors.Is(err, ErrNotFound) {
				m = memo{ID: id}
			} else if err != nil {
				return err
			}
			fn(&m)
			return memos.Upsert(tx, &m)
		}); err != nil {
			t.Fatal(err)
		}
	}
	s := dial("anna:red")
	s.say(`{"op":"sub","id":1,"model":"memo"}`)
	s.want(`"op":"snapshot"`, `"key":"1"`, `"key":"3"`, `"total":2`)
	change(2, func(m *memo) { m.Text = "bert's alone" })
	change(2, func(m *memo) { m.Team = "red" })
	s.want(`"t":"enter","key":"2"`, `"total":3`)
	change(2, func(m *memo) { m.Team, m.Text = "blue", "not for anna" })
	if frame := s.want(`"t":"leave","key":"2"`, `"total":2`); strings.Contains(frame, "not for anna") {
		t.Errorf("it is told: %s", frame)
	}
	s.say(`{"op":"unsub","id":1}`)
	s.want("ok")

	// Events from the beginning: what was not to be read then is not told, whatever it is now.
	s.say(`{"op":"feed","id":2,"model":"memo","from":0}`)
	s.want(`"op":"ok"`)
	s.want(`"key":"1"`, "created")
	s.want(`"key":"3"`, "created")
	s.want(`"key":"2"`, "updated", `"data":{"team":"red"}`)
	change(2, func(m *memo) { m.Text = "still not" })
	change(7, func(m *memo) { m.Owner, m.Text = "anna", "hers" })
	s.want(`"key":"7"`, "created", "hers")
	for _, id := range []int64{2, 7} {
		if err := a.Update(t.Context(), func(tx *Tx) error { return memos.Delete(tx, id) }); err != nil {
			t.Fatal(err)
		}
	}
	s.want(`"key":"7"`, "deleted")

	s.say(`{"op":"sub","id":3,"model":"memo"}`)
	s.want(`"op":"snapshot"`, `"total":2`)
	s.say(`{"op":"auth","token":"anna:red","ref":"same"}`)
	s.want(`{"op":"ok","ref":"same"}`)
	change(3, func(m *memo) { m.Text = "goes on" })
	seen := s.want("goes on") + s.want("goes on")
	if !strings.Contains(seen, `"op":"diff","id":3`) || !strings.Contains(seen, `"op":"event","id":2`) {
		t.Errorf("with the same rights: %s", seen)
	}
	s.say(`{"op":"auth","token":"anna","ref":"less"}`)
	seen = s.want() + s.want()
	if !strings.Contains(seen, `"id":3,"code":"forbidden"`) || !strings.Contains(seen, `{"op":"ok","ref":"less"}`) {
		t.Errorf("with other rights: %s", seen)
	}
	s.say(`{"op":"sub","id":3,"model":"memo"}`)
	s.want(`"op":"snapshot"`, `"total":2`)
}

// lookedUp counts how often a state of the past was asked for.
type lookedUp struct {
	*engine.Engine
	n atomic.Int64
}

func (l *lookedUp) At(ctx context.Context, seq uint64) (*state.Root, error) {
	l.n.Add(1)
	return l.Engine.At(ctx, seq)
}

// TestReadRuleFeedOfThePast: a feed from long ago tells what the rule admitted then, and does not look up a state of the past,
// which may be a replay, for each entry.
func TestReadRuleFeedOfThePast(t *testing.T) {
	a, memos := ruledApp(t)
	const writes = 600
	want := []string{"1 created", "3 created"}
	for i := range writes {
		m := memo{ID: 9, Owner: []string{"anna", "bert"}[i/3%2], Text: fmt.Sprint("no. ", i)}
		if err := a.Update(t.Context(), func(tx *Tx) error { return memos.Upsert(tx, &m) }); err != nil {
			t.Fatal(err)
		}
		switch {
		case i == 0:
			want = append(want, "9 created")
		case m.Owner == "anna":
			want = append(want, "9 updated")
		}
		if i%7 != 0 {
			continue
		}
		if err := a.Update(t.Context(), func(tx *Tx) error { return memos.Delete(tx, 9) }); err != nil {
			t.Fatal(err)
		}
		if m.Owner == "anna" {
			want = append(want, "9 deleted")
		}
		if m.ID = 9; i+1 < writes { // it is there again before the next one changes it
			if err := a.Update(t.Context(), func(tx *Tx) error { return memos.Insert(tx, &memo{ID: 9, Owner: "bert", Text: "between"}) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	source := &lookedUp{Engine: a.engine}
	server, err := live.NewServer(live.Config{Source: source, Models: func() []live.Model { return a.liveViews }, Guard: liveGuard{a.guard}})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := wire.NewServer(wire.Config{Handler: server.Stream("memo")})
	if err != nil {
		t.Fatal(err)
	}
	go plain.Serve(l)
	t.Cleanup(func() { plain.Close() })
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+"/?from=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "anna")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []string
	for in := bufio.NewScanner(resp.Body); len(got) < len(want) && in.Scan(); {
		data, is := strings.CutPrefix(in.Text(), "data: ")
		if !is || !strings.Contains(data, `"model":"memo"`) {
			continue
		}
		var e struct {
			Key  string `json:"key"`
			Type string `json:"type"`
		}
		if err := jsonx.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Key+" "+e.Type)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d events, want %d: %v, want %v", len(got), len(want), got, want)
	}
	if n := source.n.Load(); n == 0 || n > writes/10 {
		t.Errorf("%d states were looked up for more than %d entries", n, writes)
	}
}
