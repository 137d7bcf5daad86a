package lithair

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/live/client"
)

// epoch waits until all running nodes name one epoch, which is not another one.
func (m *members) epoch(not string) string {
	m.Helper()
	var names map[string]bool
	one := ""
	awaitOr(m.T, func() string { return fmt.Sprintf("one epoch that is not %q: they are %v", not, names) }, func() bool {
		names = map[string]bool{}
		for _, a := range m.apps {
			if a != nil {
				one = a.liveEpoch()
				names[one] = true
			}
		}
		return len(names) == 1 && one != "" && one != not
	})
	return one
}

// post writes notes until the sequence is at least seq, and returns what it is.
func (m *members) post(text string, seq uint64) uint64 {
	m.Helper()
	at := uint64(0)
	m.await(fmt.Sprintf("the sequence is %d", seq), func() bool {
		lead := m.apps[m.leader()]
		if at = lead.engine.Root().Seq(); at >= seq {
			return true
		}
		if got := call(m.T, lead, "POST", "/api/notes", fmt.Sprintf(`{"text":%q}`, text)); got.StatusCode != 201 && got.StatusCode != 503 { // the leader may have changed
			m.Fatalf("%d %s", got.StatusCode, got.body)
		}
		return false
	})
	m.equal()
	return at
}

// events asks a node for server-sent events behind an id; it returns the status and the first events of the stream.
func events(t *testing.T, a *App, path, id string, n int) (status int, first []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+a.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", id)
	resp, err := httpClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	event := ""
	for in := bufio.NewScanner(resp.Body); resp.StatusCode == 200 && len(first) < n && in.Scan(); {
		if event += in.Text() + "\n"; in.Text() == "" {
			first, event = append(first, event), ""
		}
	}
	return resp.StatusCode, first
}

// resumes comes back to each node with a position, in every way there is. want is how a live query is answered, and lost says
// that feeds are refused.
func (m *members) resumes(seq uint64, epoch, want string, lost bool) (asked int) {
	m.Helper()
	id := fmt.Sprintf("%d@%s", seq, epoch)
	for i, a := range m.apps {
		if a == nil {
			continue
		}
		s := dialLive(m.T, a)
		s.say(fmt.Sprintf(`{"op":"sub","id":1,"model":"note","from":%d,"epoch":%q}`, seq, epoch))
		s.want(`"id":1`, want)
		s.c.CloseNow()
		s = dialLive(m.T, a)
		s.say(fmt.Sprintf(`{"op":"feed","id":2,"from":%d,"epoch":%q}`, seq, epoch))
		if lost {
			s.want(`"op":"error"`, `"code":"epoch"`)
		} else {
			s.want(`"op":"ok"`, fmt.Sprintf(`"seq":%d`, seq))
		}
		s.c.CloseNow()
		status, first := events(m.T, a, "/api/notes/live", id, 2)
		resync := len(first) == 2 && strings.Contains(first[1], "event: resync\ndata: {\"reason\":\"epoch\"}")
		if status != 200 || resync != lost {
			m.Errorf("node %d, a live query as events: %d %q", i+1, status, first)
		}
		wants := map[bool]int{true: 410, false: 200}[lost]
		for path, last := range map[string]string{"/api/notes/stream": id, fmt.Sprintf("/api/notes/stream?from=%d&epoch=%s", seq, epoch): ""} {
			if status, first = events(m.T, a, path, last, 1); status != wants {
				m.Errorf("node %d, a feed as events, %s %s: %d %q", i+1, path, last, status, first)
			}
		}
		asked += 5
	}
	return asked
}

// TestEpochOfARestoredCluster: a cluster has one name for its history, on all nodes, over restarts and snapshots; what is made of
// a backup has another one, and so has what is left of a cluster without a quorum. Who comes back with a position of a past life is told so.
func TestEpochOfARestoredCluster(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 3, func(a *App) { a.segmentBytes = 8 << 10; notes(a) }, func(c *Config) { c.Retention, c.MaxLagBytes, c.Addr = "snapshot", 1, freeAddr(t) })
	first := m.epoch("")
	kept := m.post("kept", 3)
	var file bytes.Buffer
	if _, err := m.apps[m.leader()].Backup(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	seq := m.post("of a past life", kept+4)
	asked := m.resumes(seq, first, `"op":"diff"`, false)
	asked += m.resumes(seq-1, first, `"op":"diff"`, false)
	nodes := func() (urls []string) {
		for _, a := range m.apps {
			urls = append(urls, "http://"+a.Addr())
		}
		return urls
	}

	// All start anew from the backup, the two others with empty directories; then more is written than the past life had.
	renew := func(name string, begin func()) {
		t.Helper()
		for i := range m.apps {
			m.stop(i)
		}
		for i := range m.cfgs {
			c := &m.cfgs[i]
			c.Cluster, c.Peers, c.PeerAddr, c.Join = name, "", freeAddr(t), ""
			if i > 0 {
				c.Dir, c.Join = t.TempDir(), m.cfgs[0].PeerAddr
			}
		}
		begin()
		m.start(0)
		m.start(1)
	}
	restore := func() {
		t.Helper()
		done, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: m.cfgs[0].Dir, Replace: true, SegmentBytes: 8 << 10})
		if err != nil || done.At != kept {
			t.Fatalf("%+v %v", done, err)
		}
	}
	renew("restored", restore)
	second := m.epoch(first)
	seq = m.post("another", seq+2)
	m.apps[2] = nil
	m.await("the logs are let go of", func() bool { // what is joined later is fed with a snapshot, whoever leads then
		m.post(strings.Repeat("long ", 400), m.apps[0].engine.Root().Seq()+4)
		all := true
		for _, a := range m.apps[:2] {
			if err := a.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			all = all && a.cluster.Load().node.First() >= 3
		}
		return all
	})
	m.start(2)
	m.installed(2)
	m.equal()
	if e := m.epoch(first); e != second {
		t.Errorf("fed with a snapshot, it has epoch %s, not %s", e, second)
	}
	asked += m.resumes(seq, first, `{"op":"resync","id":1,"reason":"epoch"}`, true)
	query, feed := dialLive(t, m.apps[0]), dialLive(t, m.apps[1]) // and where the past life came further than this one
	query.say(fmt.Sprintf(`{"op":"sub","id":1,"model":"note","from":%d,"epoch":%q}`, seq+1000, first))
	feed.say(fmt.Sprintf(`{"op":"feed","id":1,"from":%d,"epoch":%q}`, seq+1000, first))
	query.want(`{"op":"resync","id":1,"reason":"epoch"}`)
	feed.want(`"op":"error"`, `"code":"epoch"`)
	query.c.CloseNow()
	feed.c.CloseNow()
	asked += 2
	now := m.apps[0].engine.Root().Seq()
	asked += m.resumes(now, second, `"op":"diff"`, false)
	for i := range m.apps {
		m.stop(i)
		m.start(i)
	}
	m.leader()
	if e := m.epoch(first); e != second {
		t.Errorf("restarted, the epoch is %s, not %s", e, second)
	}

	// A client that stays through all of it.
	c, err := client.New(client.Config{Nodes: nodes()[:1], MaxPause: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ev, err := client.New(client.Config{Nodes: nodes()[:1], MaxPause: 100 * time.Millisecond, EventsOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	following := []*client.Query{c.Follow("note", "/api/notes", "take=5"), ev.Follow("note", "/api/notes", "take=5")}
	synced := func(seq uint64) {
		t.Helper()
		for _, q := range following {
			if _, err := q.Until(bounded(t), func(a client.Answer) bool { return a.Synced && a.Seq >= seq }); err != nil {
				t.Fatal(err)
			}
		}
	}
	synced(0)

	// What is left of it goes on alone.
	renew("alone", func() {
		if _, err := RecoverCluster(RecoverConfig{Dir: m.cfgs[0].Dir, Cluster: "alone", Address: m.cfgs[0].PeerAddr, Agree: func(Recovery) error { return nil }}); err != nil {
			t.Fatal(err)
		}
	})
	third := m.epoch(second)
	seq = m.post("alone", m.apps[0].engine.Root().Seq()+1)
	synced(0)
	asked += m.resumes(seq, second, `{"op":"resync","id":1,"reason":"epoch"}`, true)
	asked += m.resumes(seq, third, `"op":"diff"`, false)
	for i, q := range following {
		if s := q.Stats(); s.Resyncs != 1 || s.Repairs != 0 {
			t.Errorf("client %d: %+v", i, s)
		}
	}
	if third == first || third == second || second == first {
		t.Errorf("the epochs are %s, %s, %s", first, second, third)
	}
	t.Logf("3 histories, %d positions", asked)
}
