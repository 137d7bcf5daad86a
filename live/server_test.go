package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/ws"
)

// source is a world as a Source.
type source struct {
	mu      sync.Mutex
	w       *world
	changed chan struct{}
	asked   int // times that At was called
}

func (s *source) Root() *state.Root {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.head()
}

func (s *source) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *source) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.write()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *source) At(_ context.Context, seq uint64) (*state.Root, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if seq < 2 {
		return nil, &engine.GoneError{Oldest: 2}
	}
	return s.w.roots[seq], nil
}

func (s *source) Wait(ctx context.Context, _ uint64) (*state.Root, error) {
	return nil, errors.New("that never comes")
}

func (s *source) Stream(context.Context, uint64) (*engine.Stream, error) {
	return nil, engine.ErrFuture
}

func serve(t testing.TB, cfg live.Config) (*live.Server, *source) {
	t.Helper()
	src := &source{w: newWorld(rand.New(rand.NewPCG(7, 7)), 10), changed: make(chan struct{})}
	for range 20 {
		src.w.write()
	}
	cfg.Source, cfg.Models = src, func() []live.Model { return []live.Model{src.w.items} }
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := live.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	return s, src
}

// lagging is a source whose state is behind what feeds have read, from the first stream on until it is shown.
type lagging struct {
	*source
	mu    sync.Mutex
	older *state.Root // nil: the newest is shown
	begun int         // streams
	seen  int         // times that the older one was
}

func (l *lagging) Root() *state.Root {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.older == nil {
		return l.source.Root()
	}
	l.seen++
	return l.older
}

func (l *lagging) Stream(_ context.Context, behind uint64) (*engine.Stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.begun++; {
	case l.begun == 1:
		l.older = l.w.roots[behind-1]
		return nil, nil
	case l.older != nil && behind > l.older.Seq():
		return nil, engine.ErrFuture
	}
	return nil, &engine.GoneError{Oldest: behind + 1}
}

// TestFeedAheadOfTheState: a feed that has read what is committed and not shown yet waits until it is; and one that ends by itself says why.
func TestFeedAheadOfTheState(t *testing.T) {
	src := &lagging{source: &source{w: newWorld(rand.New(rand.NewPCG(7, 7)), 10), changed: make(chan struct{})}}
	for range 20 {
		src.w.write()
	}
	s, err := live.NewServer(live.Config{Source: src, Models: func() []live.Model { return []live.Model{src.w.items} }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	c, err := s.OpenWithout(live.Principal{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Quit)
	if err := c.Say([]byte(`{"op":"feed","id":"f"}`)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		src.mu.Lock()
		seen := src.seen
		src.mu.Unlock()
		if seen > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the feed does not begin")
		}
	}
	src.mu.Lock()
	src.older = nil
	src.mu.Unlock()
	src.write()
	if frames := read(t, c, `"op":"error"`); !strings.Contains(frames[len(frames)-1], `"code":"gone"`) {
		t.Errorf("%q", frames)
	}
}

// read takes frames until one holds a text.
func read(t testing.TB, c *live.Conn, text string) (frames []string) {
	t.Helper()
	for end := time.After(20 * time.Second); ; {
		for _, f := range c.TakeQueued() {
			frames = append(frames, string(f))
		}
		if slices.ContainsFunc(frames, func(f string) bool { return strings.Contains(f, text) }) {
			return frames
		}
		select {
		case <-c.Woken():
		case <-end:
			t.Fatalf("%q lack %s", frames, text)
		}
	}
}

// TestResume: what a client comes back with decides what it gets, and many that come back with
// the same are one look at the past.
func TestResume(t *testing.T) {
	s, src := serve(t, live.Config{Epoch: func() string { return "e" }})
	open := func() *live.Conn {
		t.Helper()
		c, err := s.OpenWithout(live.Principal{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Quit)
		return c
	}
	c := open()
	say := func(c *live.Conn, text string) {
		t.Helper()
		if err := c.Say([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for i, row := range []struct{ say, want string }{
		{`"from":1`, `"reason":"gone"`},
		{`"from":1000`, `"reason":"ahead"`},
		{`"from":10,"hash":"00"`, `"reason":"hash"`},
		{`"from":10,"epoch":"x"`, `"reason":"epoch"`},
		{`"from":10,"epoch":"e"`, `"op":"diff"`},
	} {
		say(c, fmt.Sprintf(`{"op":"sub","id":%d,"model":"item",%s}`, i, row.say))
		if frames := read(t, c, fmt.Sprintf(`"id":%d,"seq"`, i)); !strings.Contains(strings.Join(frames, "\n"), row.want) {
			t.Errorf("%s: %q", row.say, frames)
		}
	}
	before := src.asked
	for range 20 {
		c := open()
		say(c, `{"op":"sub","id":1,"model":"item","query":"sort=rank","from":9}`)
		read(t, c, `"op":"diff"`)
	}
	if n := src.asked - before; n != 1 {
		t.Errorf("20 clients with one position looked at the past %d times", n)
	}
	src.write()
	say(c, `{"op":"ping"}`)
	read(t, c, `"op":"pong"`)
}

// TestMessageRate: who floods is closed.
func TestMessageRate(t *testing.T) {
	s, _ := serve(t, live.Config{MessagesPerSecond: 1})
	c, err := s.OpenWithout(live.Principal{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	for i := range 100 {
		if err := c.Say([]byte(`{"op":"ping"}`)); err != nil {
			var e *ws.CloseError
			if !errors.As(err, &e) || e.Code != live.CloseRate || i < 10 {
				t.Fatalf("after %d messages: %v", i, err)
			}
			return
		}
	}
	t.Fatal("100 messages at once are taken at one a second")
}

// TestUnreadReplies: who asks on and does not read the answers is closed; who reads them is not.
func TestUnreadReplies(t *testing.T) {
	s, _ := serve(t, live.Config{MessagesPerSecond: 1 << 20, Limits: live.Limits{QueueBytes: 4 << 10}})
	long := strings.Repeat("x", 1<<19)
	for _, op := range []string{`{"op":"ping"}`, `{"op":"unsub","id":9}`, `{"op":"` + long + `"}`, `{"op":"sub","id":1,"model":"` + long + `"}`, `{"op":"sub","id":1,"model":"item","query":"` + long + `=1"}`} {
		c, err := s.OpenWithout(live.Principal{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Quit()
		for range 100 {
			if err := c.Say([]byte(op)); err != nil {
				t.Fatalf("%.40s: a client that reads: %v", op, err)
			}
			if frames := strings.Join(read(t, c, `"op":"`), "\n"); len(frames) > 1000 {
				t.Fatalf("%.40s is answered with %d bytes", op, len(frames))
			}
		}
		for i := 0; ; i++ {
			err := c.Say([]byte(op))
			var e *ws.CloseError
			if errors.As(err, &e) && e.Code == live.CloseSlow {
				break
			}
			if i > 10_000 || err != nil {
				t.Fatalf("%.40s: %d messages without reading: %v", op, i, err)
			}
		}
	}
}

// TestRenewalsLeaveNobodyWaiting: a token that was replaced ends nothing, and nobody waits for its end.
func TestRenewalsLeaveNobodyWaiting(t *testing.T) {
	s, _ := serve(t, live.Config{})
	revoked := make(chan struct{})
	c, err := s.OpenWithout(live.Principal{ID: "anna", Revoked: revoked})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	before := runtime.NumGoroutine()
	for range 100 {
		c.SetPrincipal(live.Principal{ID: "anna", Revoked: make(chan struct{})})
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+10; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
	c.SetPrincipal(live.Principal{ID: "anna"})
	close(revoked)
	if err := c.Say([]byte(`{"op":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	read(t, c, `"op":"pong"`)
	if c.Context().Err() != nil {
		t.Error("the end of a token that was replaced ended the connection")
	}
}

// TestSendOfLargeFrame: a frame larger than the queue, such as a room's history, goes out; behind it there is no room.
func TestSendOfLargeFrame(t *testing.T) {
	s, _ := serve(t, live.Config{Limits: live.Limits{QueueBytes: 1 << 10}})
	c, err := s.OpenWithout(live.Principal{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	f, err := live.NewFrame([]byte(`{"op":"large","x":"` + strings.Repeat("x", 4<<10) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !c.Send(f) || c.Send(f) {
			t.Fatal("want one frame to be taken, and none behind it")
		}
		read(t, c, `"op":"large"`)
	}
}

// TestConnsPerUser: a user has so many connections; anonymous ones are not counted.
func TestConnsPerUser(t *testing.T) {
	s, _ := serve(t, live.Config{ConnsPerUser: 2})
	anna := live.Principal{ID: "anna"}
	var conns []*live.Conn
	for i := range 3 {
		c, err := s.OpenWithout(anna)
		if (err == nil) != (i < 2) {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
	}
	conns[0].Quit()
	c, err := s.OpenWithout(anna)
	if err != nil {
		t.Fatal(err)
	}
	c.Quit()
	conns[1].Quit()
	for range 5 {
		c, err := s.OpenWithout(live.Principal{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Quit()
	}
}

// FuzzMessage: whatever a client says, each answer is a frame, what is no message has one error,
// and the connection goes on.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"op":"sub","id":1,"model":"item","query":"kind=a&sort=-rank&take=3"}`, `{"op":"sub","id":"x","model":"item","fields":["id"],"from":7,"hash":"0"}`,
		`{"op":"unsub","id":1}`, `{"op":"feed","id":2,"from":0}`, `{"op":"auth","token":"t","ref":1}`, `{"op":"ping"}`, `{"op":"sub","id":[1]}`,
		`{"op":1}`, `[]`, `null`, `{`, `{"op":"sub","id":1e3,"model":"item"}`, `{"op":"sub","id":01}`, `{"op":"sub","id":1,"model":"item","query":"or=(a"}`, "{\"op\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	s, _ := serve(f, live.Config{MessagesPerSecond: 1 << 30})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := s.OpenWithout(live.Principal{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Quit()
		read(t, c, `"op":"ready"`)
		if err := c.Say(data); err != nil {
			t.Fatal(err)
		}
		if err := c.Say([]byte(`{"op":"ping"}`)); err != nil {
			t.Fatal(err)
		}
		errs := 0
		frames := read(t, c, `{"op":"pong"`)
		for _, frame := range frames {
			var v struct {
				Op string `json:"op"`
			}
			if err := jsonx.Unmarshal([]byte(frame), &v); err != nil || v.Op == "" {
				t.Fatalf("%s answers %q: %v", data, frame, err)
			}
			if v.Op == "error" {
				errs++
			}
		}
		var m struct {
			Op string `json:"op"`
		}
		known := jsonx.Unmarshal(data, &m) == nil && strings.Contains(" sub unsub feed auth ping ", " "+m.Op+" ")
		if errs > 1 || !known && errs != 1 {
			t.Fatalf("%s: %q", data, frames)
		}
	})
}
