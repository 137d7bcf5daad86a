package lithair

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/sdk/js"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// liveSocket is a WebSocket to /live.
type liveSocket struct {
	t *testing.T
	c *ws.Conn
}

func dialLive(t *testing.T, a *App) *liveSocket {
	t.Helper()
	c, err := ws.Dial(t.Context(), "ws://"+a.Addr()+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	s := &liveSocket{t, c}
	s.want(`"op":"ready"`)
	return s
}

func (s *liveSocket) say(text string) {
	s.t.Helper()
	if err := s.c.Write(bounded(s.t), ws.Text, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// want reads a frame that holds all of these texts.
func (s *liveSocket) want(texts ...string) string {
	s.t.Helper()
	_, data, err := s.c.Read(bounded(s.t))
	if err != nil {
		s.t.Fatalf("waiting for %v: %v", texts, err)
	}
	for _, text := range texts {
		if !strings.Contains(string(data), text) {
			s.t.Fatalf("frame %s lacks %s", data, text)
		}
	}
	return string(data)
}

// TestLiveQuery follows notes over a WebSocket while they are made, changed and deleted, and comes
// back after a pause.
func TestLiveQuery(t *testing.T) {
	a := newApp(t, Config{})
	notes := Model[note](a, "/notes")
	start(t, a)
	put := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := a.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	first, second := note{Text: "go one"}, note{Text: "rust"}
	put(func(tx *Tx) error { return notes.Insert(tx, &first) })

	s := dialLive(t, a)
	s.say(`{"op":"sub","id":1,"model":"note","query":"text=~go&sort=text"}`)
	s.want(`"op":"snapshot","id":1,"seq":`, `"rows":[{"key":"`+first.ID.String()+`","row":{`, `"total":1,"hash":"`)
	put(func(tx *Tx) error { return notes.Insert(tx, &second) })
	second.Text = "a go"
	put(func(tx *Tx) error { return notes.Put(tx, &second) })
	s.want(`"op":"diff","id":1`, `"changes":[{"t":"enter","key":"`+second.ID.String()+`","row":`, `"at":0}]`, `"total":2`)
	second.Text = "z go"
	put(func(tx *Tx) error { return notes.Put(tx, &second) })
	last := s.want(`"t":"update"`, `"set":{"text":"z go"}`, `{"t":"move","key":"`+second.ID.String()+`","at":1}`)
	s.say(`{"op":"unsub","id":1}`)
	s.want(`{"op":"ok","ref":1}`)
	put(func(tx *Tx) error { return notes.Delete(tx, first.ID) })

	var told struct {
		Seq  uint64 `json:"seq"`
		Hash string `json:"hash"`
	}
	if err := jsonx.Unmarshal([]byte(last), &told); err != nil {
		t.Fatal(err)
	}
	sub := `{"op":"sub","id":2,"model":"note","query":"sort=text&text=~go","from":%d,"hash":%q}`
	s.say(fmt.Sprintf(sub, told.Seq, told.Hash))
	s.want(`"op":"diff","id":2`, `"changes":[{"t":"leave","key":"`+first.ID.String()+`"}]`, `"total":1`)
	s.say(`{"op":"unsub","id":2}`)
	s.want("ok")
	s.say(fmt.Sprintf(sub, told.Seq, "0123456789abcdef"))
	s.want(`{"op":"resync","id":2,"reason":"hash"}`)
	s.want(`"op":"snapshot","id":2`)

	for say, code := range map[string]string{
		`{"op":"sub","id":2,"model":"note"}`:                 "duplicate_id",
		`{"op":"sub","id":3,"model":"nobody"}`:               "unknown_model",
		`{"op":"sub","id":3,"model":"note","query":"x=1"}`:   "bad_query",
		`{"op":"sub","model":"note"}`:                        "bad_message",
		`{"op":"fly"}`:                                       "unknown_op",
		`{"op":`:                                             "bad_message",
		`{"op":"unsub","id":9}`:                              "unknown_id",
		`{"op":"sub","id":{"a":1},"model":"note"}`:           "bad_message",
		`{"op":"sub","id":3,"model":"note","query":"at=1"}`:  "bad_query",
		`{"op":"feed","id":3,"types":["born"]}`:              "bad_message",
		`{"op":"auth","token":"x"}`:                          "unauthorized",
		`{"op":"sub","id":3,"model":"note","fields":["no"]}`: "bad_query",
	} {
		s.say(say)
		s.want(`"op":"error"`, `"code":"`+code+`"`)
	}
}

// TestLiveFeed reads events from the beginning, and then as they come.
func TestLiveFeed(t *testing.T) {
	a := newApp(t, Config{})
	notes := Model[note](a, "/notes")
	start(t, a)
	n := note{Text: "one"}
	put := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := a.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	put(func(tx *Tx) error { return notes.Insert(tx, &n) })
	s := dialLive(t, a)
	s.say(`{"op":"feed","id":"f","model":"note","from":0}`)
	s.want(`"op":"ok","ref":"f","seq":0`)
	s.want(`{"op":"event","id":"f","seq":`, `"n":0,"model":"note","type":"created","key":"`+n.ID.String()+`"`, `"data":{"id":"`+n.ID.String()+`","text":"one"}`)
	n.Text = "two"
	put(func(tx *Tx) error { return notes.Put(tx, &n) })
	s.want(`"type":"updated"`, `"data":{"text":"two"}`)
	put(func(tx *Tx) error { return notes.Delete(tx, n.ID) })
	s.want(`"type":"deleted"`, `"data":null`)
}

// TestLiveEvents follows a query by server-sent events, loses the stream and comes back.
func TestLiveEvents(t *testing.T) {
	a := newApp(t, Config{})
	notes := Model[note](a, "/notes")
	start(t, a)
	one := note{Text: "one"}
	put := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := a.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	put(func(tx *Tx) error { return notes.Insert(tx, &one) })
	open := func(path, last string) (*bufio.Scanner, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+a.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Last-Event-ID", last)
		resp, err := httpClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		return bufio.NewScanner(resp.Body), cancel
	}
	event := func(in *bufio.Scanner) string {
		t.Helper()
		var b strings.Builder
		for in.Scan() && in.Text() != "" {
			b.WriteString(in.Text() + "\n")
		}
		if in.Err() != nil {
			t.Fatal(in.Err())
		}
		return b.String()
	}
	in, leave := open("/notes/live?sort=text", "")
	if e := event(in); !strings.HasPrefix(e, "event: connected\ndata: {\"node\":") {
		t.Fatal(e)
	}
	snapshot := event(in)
	if !strings.Contains(snapshot, "event: snapshot\nid: ") || !strings.Contains(snapshot, `"rows":[{"key":"`) {
		t.Fatal(snapshot)
	}
	_, id, _ := strings.Cut(snapshot, "id: ")
	id, _, _ = strings.Cut(id, "\n")
	leave()
	two := note{Text: "two"}
	put(func(tx *Tx) error { return notes.Insert(tx, &two) })
	in, leave = open("/notes/live?sort=text", id)
	event(in)
	if e := event(in); !strings.HasPrefix(e, "event: enter\nid: ") || !strings.Contains(e, `"text":"two"`) {
		t.Fatal(e)
	}
	leave()
	in, leave = open("/notes/stream?from=0", "")
	event(in) // connected
	if e := event(in); !strings.HasPrefix(e, "event: create\nid: ") || !strings.Contains(e, `"item":{"id":"`+one.ID.String()+`","text":"one"}`) {
		t.Fatal(e)
	}
	leave()
}

// TestTokenOfASubprotocol: a browser says its token by a subprotocol; one that is not taken is refused before the upgrade.
func TestTokenOfASubprotocol(t *testing.T) {
	a := newApp(t, Config{})
	Model[note](a, "/notes")
	a.Authenticate(func(*wire.Request) (Principal, error) { return Principal{}, errors.New("nobody") })
	a.AuthenticateToken(func(token string) (Principal, error) {
		if token != "s3cr~t>" {
			return Principal{}, errors.New("nobody")
		}
		return Principal{ID: "ada"}, nil
	})
	start(t, a)
	for token, want := range map[string]int{"czNjcn50Pg": 101, "czNjcg": 401, "czNjcn50Pg==": 400, "": 401} {
		offered := []string{live.Subprotocol}
		if token != "" {
			offered = append(offered, tokenProtocol+token)
		}
		req, err := http.NewRequestWithContext(bounded(t), "GET", "http://"+a.Addr()+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": strings.Join(offered, ", ")} {
			req.Header.Set(name, v)
		}
		answer, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || want == 101 && answer.Header.Get("Sec-WebSocket-Protocol") != live.Subprotocol {
			t.Errorf("token %q: status %d, want %d; protocol %q", token, answer.StatusCode, want, answer.Header.Get("Sec-WebSocket-Protocol"))
		}
	}
}

// TestModuleIsServed: the client for browsers comes with its type, and not again when it did not change.
func TestModuleIsServed(t *testing.T) {
	a := newApp(t, Config{})
	start(t, a)
	url := "http://" + a.Addr() + "/live/lithair.js"
	answer, err := httpClient.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !bytes.Equal(body, js.Module) || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/javascript") {
		t.Fatalf("%v, %d bytes, %q", err, len(body), answer.Header.Get("Content-Type"))
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", answer.Header.Get("ETag"))
	if answer, err = httpClient.Do(req); err != nil || answer.StatusCode != 304 {
		t.Fatalf("%v, %v", err, answer)
	}
	answer.Body.Close()
}

// ended waits for the end of the connection and returns its close code.
func (s *liveSocket) ended() ws.CloseCode {
	s.t.Helper()
	for ctx := bounded(s.t); ; {
		_, _, err := s.c.Read(ctx)
		var e *ws.CloseError
		if errors.As(err, &e) {
			return e.Code
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// secret is a model with a field that clients do not see.
type secret struct {
	ID     int64  `json:"id" lithair:"primary_key"`
	Name   string `json:"name"`
	Hidden string `json:"hidden" http:"hidden"`
}

// TestLiveGuard: who may not connect is refused before the upgrade; what is not allowed is
// refused by model; a token that expires or is revoked ends the connection; a new one keeps it.
func TestLiveGuard(t *testing.T) {
	a := newApp(t, Config{})
	Model[note](a, "/notes")
	Model[secret](a, "/tags")
	revoked := make(chan struct{})
	a.Authenticate(func(r *wire.Request) (Principal, error) {
		switch r.Header("Authorization") {
		case "Bearer anna":
			return Principal{ID: "anna"}, nil
		case "Bearer short":
			return Principal{ID: "short", Expiry: time.Now().Add(200 * time.Millisecond)}, nil
		case "Bearer revoked":
			return Principal{ID: "revoked", Revoked: revoked}, nil
		}
		return Principal{}, errors.New("who is that")
	})
	a.AuthenticateToken(func(token string) (Principal, error) {
		return Principal{ID: token, Expiry: time.Now().Add(time.Hour)}, nil
	})
	a.Authorize(func(p Principal, act Action) error {
		if act.Model == "secret" || act.Verb == "feed" {
			return errors.New("no")
		}
		return nil
	})
	start(t, a)
	dial := func(token string) (*liveSocket, error) {
		c, err := ws.Dial(t.Context(), "ws://"+a.Addr()+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}, Header: [][2]string{{"Authorization", "Bearer " + token}}})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { c.CloseNow() })
		s := &liveSocket{t, c}
		s.want(`"op":"ready"`)
		return s, nil
	}
	var refused *ws.HandshakeError
	if _, err := dial("nobody"); !errors.As(err, &refused) || refused.Status != 401 {
		t.Errorf("a stranger: %v", err)
	}
	for path, status := range map[string]int{"/notes/live": 401, "/tags/live": 401} {
		if got := call(t, a, "GET", path, ""); got.StatusCode != status {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	s, err := dial("anna")
	if err != nil {
		t.Fatal(err)
	}
	s.say(`{"op":"sub","id":1,"model":"secret"}`)
	s.want(`"code":"forbidden"`)
	s.say(`{"op":"feed","id":2,"model":"note"}`)
	s.want(`"code":"forbidden"`)
	s.say(`{"op":"sub","id":3,"model":"note"}`)
	s.want(`"op":"snapshot"`)
	s.say(`{"op":"auth","token":"bert","ref":7}`)
	s.want(`"id":7`, `"code":"unauthorized"`)

	short, err := dial("short")
	if err != nil {
		t.Fatal(err)
	}
	if code := short.ended(); code != live.CloseExpired {
		t.Errorf("an expired token: %v", code)
	}
	short, err = dial("short")
	if err != nil {
		t.Fatal(err)
	}
	short.say(`{"op":"auth","token":"short"}`)
	short.want(`"op":"ok"`)
	gone, err := dial("revoked")
	if err != nil {
		t.Fatal(err)
	}
	close(revoked)
	if code := gone.ended(); code != live.CloseExpired {
		t.Errorf("a revoked token: %v", code)
	}
	conns := a.Live().Conns()
	for _, c := range conns {
		if c.Principal.ID == "anna" && !a.Live().Kick(c.ID, "go") {
			t.Error("anna cannot be ended")
		}
	}
	if code := s.ended(); code != live.CloseKicked {
		t.Errorf("ended by an operator: %v", code)
	}
	short.say(`{"op":"ping"}`)
	short.want(`{"op":"pong","seq":`)
}

// TestLiveHides: what clients may not see is in no frame, whatever they ask for.
func TestLiveHides(t *testing.T) {
	a := newApp(t, Config{})
	secrets := Model[secret](a, "/secrets")
	start(t, a)
	put := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := a.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	v := secret{ID: 1, Name: "n", Hidden: "swordfish"}
	put(func(tx *Tx) error { return secrets.Insert(tx, &v) })
	s := dialLive(t, a)
	s.say(`{"op":"sub","id":1,"model":"secret"}`)
	frames := s.want("snapshot")
	s.say(`{"op":"feed","id":2,"from":0}`)
	frames += s.want("ok") + s.want(`"type":"created"`)
	v.Hidden = "swordfish 2"
	put(func(tx *Tx) error { return secrets.Put(tx, &v) })
	frames += s.want(`"type":"updated"`, `"data":{}`)
	v.Name = "m"
	put(func(tx *Tx) error { return secrets.Put(tx, &v) })
	frames += s.want() + s.want()
	if strings.Contains(frames, "swordfish") || strings.Contains(frames, "hidden") {
		t.Errorf("it is told: %s", frames)
	}
	for _, q := range []string{"hidden=swordfish", "sort=hidden", "fields=hidden"} {
		s.say(`{"op":"sub","id":3,"model":"secret","query":"` + q + `"}`)
		s.want(`"code":"bad_query"`)
	}
}

// TestLiveShutdown: connections are told before they are closed.
func TestLiveShutdown(t *testing.T) {
	a := newApp(t, Config{ShutdownTimeout: time.Second})
	Model[note](a, "/notes")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := dialLive(t, a)
	stopped := make(chan error, 1)
	go func() { stopped <- stop(a) }()
	s.want(`{"op":"drain","after_ms":`)
	if code := s.ended(); code != ws.CloseServiceRestart {
		t.Errorf("closed with %v", code)
	}
	if err := receive(t, "the end of Shutdown", stopped); err != nil {
		t.Error(err)
	}
}

// TestLiveFeedsMissNothing: feeds that begin at different places while records are written, one of
// them slow, have each event once and in order, and go on where another one ended.
func TestLiveFeedsMissNothing(t *testing.T) {
	a := newApp(t, Config{})
	notes := Model[note](a, "/notes")
	start(t, a)
	const writes = 600
	put := func(n int) {
		for i := range n {
			if err := a.Update(t.Context(), func(tx *Tx) error {
				for j := range 1 + i%2 {
					if err := notes.Insert(tx, &note{Text: fmt.Sprint(i, " ", j)}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	}
	put(writes / 3)
	from := a.engine.Root().Seq()
	written := make(chan struct{})
	go func() { defer close(written); put(writes) }()
	type event struct {
		Seq uint64 `json:"seq"`
		N   int    `json:"n"`
	}
	read := func(s *liveSocket, after event, until uint64) (last event, n int) {
		for last = after; last.Seq < until || n == 0; n++ {
			var e event
			if err := jsonx.Unmarshal([]byte(s.want(`"op":"event"`)), &e); err != nil {
				t.Error(err)
				return
			}
			next := e.Seq == last.Seq && e.N == last.N+1 || e.Seq == last.Seq+1 && e.N == 0
			if !next {
				t.Errorf("event %v comes behind %v", e, last)
				return
			}
			last = e
		}
		return last, n
	}
	var feeds sync.WaitGroup
	for f := range 4 {
		s := dialLive(t, a)
		s.say(fmt.Sprintf(`{"op":"feed","id":1,"model":"note","from":%d}`, from))
		s.want(`"op":"ok"`)
		feeds.Go(func() {
			last, n := read(s, event{Seq: from, N: 9}, from+uint64(f+1)*100)
			s.c.CloseNow()
			s = dialLive(t, a) // and from the middle of a transaction, perhaps
			s.say(fmt.Sprintf(`{"op":"feed","id":1,"model":"note","from":%d,"from_n":%d}`, last.Seq, last.N))
			s.want(`"op":"ok"`)
			_, m := read(s, last, from+writes)
			if n+m < writes {
				t.Errorf("feed %d: %d events", f, n+m)
			}
		})
	}
	feeds.Wait()
	<-written
}
