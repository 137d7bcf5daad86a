package lithair

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/live/client"
	"github.com/lithair/lithair-go/wire"
)

func pushTo(t *testing.T, a *App, q *QueueOf[string], values ...string) {
	t.Helper()
	update(t, a, func(tx *Tx) error {
		for _, v := range values {
			if _, err := q.Push(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// online returns a client that has a connection.
func online(t *testing.T, a *App, header ...[2]string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Nodes: []string{"http://" + a.Addr()}, MinPause: time.Millisecond, MaxPause: 50 * time.Millisecond, Header: func() [][2]string { return header }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	await(t, "a connection", func() bool {
		_, err := c.Take(t.Context(), "none", 1, 0)
		return !errors.Is(err, client.ErrOffline)
	})
	return c
}

func codeOf(err error) string {
	var e *live.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// TestQueueOverLive: take, ack and nack over a WebSocket do what they do over HTTP, to the same jobs.
func TestQueueOverLive(t *testing.T) {
	a := newApp(t, Config{})
	q := RemoteQueue[string](a, "r", QueueOptions{MaxAttempts: 2, Backoff: time.Millisecond})
	a.Authenticate(func(r *wire.Request) (Principal, error) { return Principal{ID: r.Header("Authorization")}, nil })
	a.Authorize(func(p Principal, act Action) error {
		if p.ID == "stranger" && act.Verb == "command" && act.Model == "queue-r-take" {
			return errors.New("no")
		}
		return nil
	})
	start(t, a)
	pushTo(t, a, q, "a", "b")
	c := online(t, a)
	ctx := t.Context()
	first, err := c.Take(ctx, "r", 5, 0)
	if err != nil || len(first) != 2 || string(first[0].Value) != `"a"` || first[0].Attempts != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if got, err := c.Take(ctx, "r", 5, 0); err != nil || len(got) != 0 {
		t.Errorf("taken twice: %+v, %v", got, err)
	}
	if got := call(t, a, "POST", "/api/_queue/r/take", `{"max":5}`); got.body != `{"jobs":[]}` {
		t.Errorf("over HTTP it is taken again: %s", got.body)
	}
	if err := c.Ack(ctx, "r", first[0]); err != nil {
		t.Error(err)
	}
	if err := c.Ack(ctx, "r", first[0]); codeOf(err) != "not_leased" {
		t.Errorf("a second ack: %v", err)
	}
	if err := c.Nack(ctx, "r", first[1], errors.New("not today")); err != nil {
		t.Error(err)
	}
	if err := c.Ack(ctx, "r", first[1]); codeOf(err) != "not_leased" {
		t.Errorf("an ack after a nack: %v", err)
	}
	var again []client.Job
	await(t, "the job comes again", func() bool {
		again, err = c.Take(ctx, "r", 1, time.Hour)
		return err != nil || len(again) == 1
	})
	if err != nil || again[0].Attempts != 1 || again[0].ID != first[1].ID {
		t.Errorf("%+v, %v", again, err)
	}
	if got := call(t, a, "POST", "/api/_queue/r/ack", fmt.Sprintf(`{"id":%q,"lease":%d}`, again[0].ID, again[0].Lease)); got.StatusCode != 204 {
		t.Errorf("what was taken here is acknowledged over HTTP: %d %s", got.StatusCode, got.body)
	}
	for _, bad := range []struct {
		queue string
		n     int
		lease time.Duration
		code  string
	}{{"s", 1, 0, "unknown_queue"}, {"r", 101, 0, "bad_message"}, {"r", 1, 2 * time.Hour, "bad_message"}, {"r", -1, 0, "bad_message"}} {
		if _, err := c.Take(ctx, bad.queue, bad.n, bad.lease); codeOf(err) != bad.code {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := online(t, a, [2]string{"Authorization", "stranger"}).Take(ctx, "r", 1, 0); codeOf(err) != "forbidden" {
		t.Errorf("a stranger: %v", err)
	}
	s := dialLive(t, a)
	s.say(`{"op":"take","ref":"x","queue":"r"}`)
	s.want(`{"op":"jobs","ref":"x","queue":"r","jobs":[]}`)
	s.say(`{"op":"ack","ref":"y","queue":"r","job":"no id"}`)
	s.want(`"op":"error"`, `"id":"y"`, `"code":"bad_message"`)
}

// TestQueueOverLiveInCluster: a connection with a node that follows takes jobs from the leader; of several
// programs each gets its own, and leaders that stop lose none.
func TestQueueOverLiveInCluster(t *testing.T) {
	queues := map[*App]*QueueOf[string]{}
	var mu sync.Mutex
	m := startCluster(t, 3, func(a *App) {
		mu.Lock()
		defer mu.Unlock()
		queues[a] = RemoteQueue[string](a, "r", QueueOptions{MaxAttempts: 100, Backoff: time.Millisecond})
	})
	const jobs = 60
	lead := m.leader()
	var values []string
	for i := range jobs {
		values = append(values, fmt.Sprint(i))
	}
	pushTo(t, m.apps[lead], queues[m.apps[lead]], values...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := map[string]int{}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(done)
	}
	var all sync.WaitGroup
	for i := range 3 {
		if i == lead {
			continue
		}
		c := online(t, m.apps[i])
		empty := holds(m.apps[i], func(s *Snapshot) bool { return queues[m.apps[i]].Waiting(s) == 0 })
		all.Go(func() {
			for !empty() && ctx.Err() == nil {
				list, err := c.Take(ctx, "r", 4, 2*time.Second)
				if err != nil || len(list) == 0 {
					time.Sleep(5 * time.Millisecond) // a program that asks again
					continue
				}
				for _, j := range list {
					if c.Ack(ctx, "r", j) == nil {
						mu.Lock()
						done[string(j.Value)]++
						mu.Unlock()
					}
				}
			}
		})
	}
	await(t, "some are done", func() bool { return count() > 8 })
	m.stop(lead)
	m.leader()
	all.Wait()
	if err := ctx.Err(); err != nil {
		t.Fatal("there are jobs left: ", err)
	}
	for v, n := range done {
		if n != 1 {
			t.Errorf("job %s was ended %d times", v, n)
		}
	}
	// An acknowledgement whose answer got lost with the leader ends a job without being counted here.
	if missing := jobs - len(done); missing > 8 {
		t.Errorf("%d jobs of %d are missing", missing, jobs)
	}
	t.Logf("%d jobs of %d acknowledged over followers, one leader stopped", len(done), jobs)
}
