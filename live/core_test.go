package live_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/live"
)

func subscribe(t testing.TB, c *live.Core, w *world, conn uint64, id, question string) {
	t.Helper()
	q := w.query(question)
	found, err := live.Find(q, w.head())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(conn, live.Subscription{ID: id, Query: q, Found: found}); err != nil {
		t.Fatal(err)
	}
}

// TestSharedFrames: equal subscriptions, in whatever order their conditions stand, are one query,
// and one frame where clients chose the same id.
func TestSharedFrames(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(1, 1)), 20)
	c := live.NewCore(live.Limits{}, w.head())
	for conn := range uint64(10) {
		c.Open(conn, live.JSON)
		question := "kind=!z&rank=>=0"
		if conn%2 == 0 {
			question = "rank=>=0&kind=!z"
		}
		subscribe(t, c, w, conn, "1", question)
	}
	if s := c.Stats(); s.Queries != 1 || s.Subscriptions != 10 {
		t.Errorf("%+v", s)
	}
	c.Take()
	for range 5 {
		before := c.Stats().Encoded
		w.write()
		c.Commit(w.head())
		frames := map[*live.Frame]int{}
		for _, s := range c.Take() {
			frames[s.Frame]++
		}
		if len(frames) > 1 || c.Stats().Encoded-before != uint64(len(frames)) {
			t.Fatalf("%d frames, %d encoded", len(frames), c.Stats().Encoded-before)
		}
		for f, n := range frames {
			if n != 10 || !f.Shared {
				t.Errorf("a frame went to %d connections, shared %v", n, f.Shared)
			}
		}
	}
	for conn := range uint64(10) {
		c.Shut(conn)
	}
	if s := c.Stats(); s.Queries+s.Subscriptions+s.Connections != 0 {
		t.Errorf("something is left: %+v", s)
	}
}

// TestSlowConnection: a connection that takes nothing has no more waiting than its bound and one
// frame, however much happens, and is nobody's hindrance; when it reads again, one diff tells it
// all.
func TestSlowConnection(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(2, 2)), 40)
	const limit = 2000
	c := live.NewCore(live.Limits{QueueBytes: limit}, w.head())
	c.Open(1, live.JSON)
	c.Open(2, live.JSON)
	subscribe(t, c, w, 1, "1", "")
	subscribe(t, c, w, 2, "1", "")
	waiting, quick, largest := 0, 0, 0
	for range 2000 {
		w.write()
		c.Commit(w.head())
		for _, s := range c.Take() {
			largest = max(largest, len(s.Frame.Data))
			if s.Conn == 1 {
				waiting += len(s.Frame.Data)
				continue
			}
			quick++
			c.Sent(2, len(s.Frame.Data))
		}
	}
	if waiting > limit+largest {
		t.Errorf("%d bytes wait for a connection that takes nothing, of %d", waiting, limit)
	}
	if quick < 1500 {
		t.Errorf("the other connection was told %d times", quick)
	}
	c.Sent(1, waiting)
	late := c.Take()
	if len(late) != 1 || !strings.Contains(string(late[0].Frame.Data), fmt.Sprintf(`"seq":%d,`, w.head().Seq())) {
		t.Errorf("%d frames tell what was missed", len(late))
	}
}

// TestCostFollowsMatches: what a write costs does not grow with queries that it does not concern.
func TestCostFollowsMatches(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(3, 3)), 50)
	c := live.NewCore(live.Limits{Subscriptions: 10_000}, w.head())
	c.Open(1, live.JSON)
	subscribe(t, c, w, 1, "0", "kind=a")
	for i := range 3000 {
		switch id := fmt.Sprint(i + 1); i % 5 {
		case 0:
			subscribe(t, c, w, 1, id, fmt.Sprintf("kind=other%d", i))
		case 1:
			subscribe(t, c, w, 1, id, fmt.Sprintf("id=%d", 1000+i))
		case 2:
			subscribe(t, c, w, 1, id, fmt.Sprintf("rank=>%d&rank=<%d", 1000+i, 1010+i))
		case 3:
			subscribe(t, c, w, 1, id, fmt.Sprintf("or=(kind=other%d,id=%d,rank=>%d)", i, 1000+i, 1000+i))
		case 4:
			subscribe(t, c, w, 1, id, fmt.Sprintf("or=(tag=t%d,tag=u%d,kind=other%d)", i, i, i))
		}
	}
	before := c.Stats().Looked
	const writes = 200
	for range writes {
		w.write()
		c.Commit(w.head())
		for _, s := range c.Take() {
			c.Sent(1, len(s.Frame.Data))
		}
	}
	if looked := c.Stats().Looked - before; looked == 0 || looked > 8*writes {
		t.Errorf("%d writes looked at %d queries of 3,001", writes, looked)
	}
}

// TestLimits: each limit has its error.
func TestLimits(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(4, 4)), 5)
	c := live.NewCore(live.Limits{Subscriptions: 2, Rows: 100}, w.head())
	c.Open(1, live.JSON)
	ask := func(id, question string) string {
		q := w.query(question)
		found, err := live.Find(q, w.head())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(1, live.Subscription{ID: id, Query: q, Found: found}); err != nil {
			return err.(*live.Error).Code
		}
		return ""
	}
	for _, row := range []struct{ id, question, code string }{
		{"1", "skip=90&take=11", "too_large"}, {"1", "skip=90&take=10", ""}, {"1", "", "duplicate_id"}, {"2", "", ""}, {"3", "", "too_many"},
	} {
		if got := ask(row.id, row.question); got != row.code {
			t.Errorf("%s %s: %q, want %q", row.id, row.question, got, row.code)
		}
	}
}

// TestAllRows: what the queries of a connection reach for together is bounded, and free again when they end.
func TestAllRows(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(1, 1)), 20)
	c := live.NewCore(live.Limits{AllRows: 100}, w.head())
	c.Open(1, live.JSON)
	c.Open(2, live.JSON)
	add := func(conn uint64, id string) error {
		q := w.query("skip=10&take=30")
		found, err := live.Find(q, w.head())
		if err != nil {
			t.Fatal(err)
		}
		return c.Subscribe(conn, live.Subscription{ID: id, Query: q, Found: found})
	}
	for range 3 {
		if err := errors.Join(add(1, "1"), add(1, "2"), add(2, "1")); err != nil {
			t.Fatal(err)
		}
		var e *live.Error
		if err := add(1, "3"); !errors.As(err, &e) || e.Code != "too_many" {
			t.Fatalf("120 rows of 100: %v", err)
		}
		if !c.Unsubscribe(1, "1") || !c.Unsubscribe(1, "2") || !c.Unsubscribe(2, "1") {
			t.Fatal("a subscription is lost")
		}
	}
}
