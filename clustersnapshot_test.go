package lithair

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus"
)

// compacting is a cluster whose nodes let go of their logs behind every snapshot.
// Each seals what it writes under a key of its own.
func compacting(t *testing.T, n int, lag int64) *members {
	return startCluster(t, n, func(a *App) {
		a.segmentBytes = 8 << 10
		notes(a)
	}, func(c *Config) {
		c.Retention, c.MaxLagBytes = "snapshot", lag
		key := [32]byte{byte(c.NodeID)}
		c.EncryptionKey = func(uint32) (uint32, [32]byte, error) { return 1, key, nil }
	})
}

// TestLogIsKeptForMembers: who is behind by less than the bound needs no snapshot.
func TestLogIsKeptForMembers(t *testing.T) {
	m := compacting(t, 3, 1<<20)
	away := m.follower()
	m.stop(away)
	at := m.leader()
	lead := m.apps[at]
	for i := range 60 {
		m.insist(at, fmt.Sprintf(`{"text":%q}`, strings.Repeat(fmt.Sprint(i, " "), 300)), fmt.Sprint("long-", i))
	}
	for i := range 3 {
		m.insist(at, `{"text":"and a snapshot"}`, fmt.Sprint("snapshot-", i))
		if err := lead.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if size := m.apps[m.leader()].events.Size(); size < 40<<10 {
		t.Fatalf("the log has %d bytes: it was let go of", size)
	}
	m.start(away)
	m.equal()
	if p := m.apps[away].cluster.Load().node.Incoming(); p.Installed != 0 {
		t.Errorf("a snapshot was sent though the log has all: %+v", p)
	}
}

// write writes notes through node i until the logs of all running nodes, whichever leads then, begin behind index.
func (m *members) write(i int, index uint64) (written int) {
	m.Helper()
	m.await(fmt.Sprintf("the logs begin behind index %d", index), func() bool {
		for range 20 {
			text := strings.Repeat(fmt.Sprint("note ", written, " "), 20)
			m.insist(i, fmt.Sprintf(`{"text":%q}`, text), fmt.Sprint("note-", i, "-", written, "-", index))
			written++
		}
		all := true
		for _, a := range m.apps {
			if a != nil {
				if err := a.Snapshot(m.Context()); err != nil {
					m.Fatal(err)
				}
				all = all && a.cluster.Load().node.First() > index+1
			}
		}
		return all
	})
	return written
}

// insist makes a note through a node, again with the same key while the leader changes: 503 says that it is not made, or not known to be.
func (m *members) insist(i int, body, key string) answer {
	m.Helper()
	var got answer
	m.await("a note is made", func() bool {
		if got = call(m.T, m.apps[i], "POST", "/api/notes", body, "Idempotency-Key: "+key); got.StatusCode != 201 && got.StatusCode != 503 {
			m.Fatalf("%d %s", got.StatusCode, got.body)
		}
		return got.StatusCode == 201
	})
	return got
}

// installed waits until a node has been fed with a snapshot.
func (m *members) installed(i int) {
	m.Helper()
	m.await(fmt.Sprintf("node %d is fed with a snapshot", i+1), func() bool { return m.apps[i].cluster.Load().node.Incoming().Installed > 0 })
}

// TestMemberIsFedWithSnapshot: a node was away while the others let go of what it lacks. It gets a
// snapshot, then the log behind it, and votes and writes as before; retries of requests find their
// first answer in what the snapshot brought. Then it leads, and a node with an empty directory joins.
func TestMemberIsFedWithSnapshot(t *testing.T) {
	t.Parallel()
	m := compacting(t, 3, 1)
	lead := m.leader()
	first := m.insist(lead, `{"text":"once"}`, "k1")
	away := m.follower()
	before := m.apps[away].engine.Stats().Applied
	m.stop(away)
	other := m.follower()
	n := m.write(other, before+50)
	m.start(away)
	m.installed(away)
	m.equal()
	got := call(t, m.apps[away], "GET", "/metrics", "").body
	if !strings.Contains(got, "lithair_raft_snapshots_installed_total 1\n") || !strings.Contains(got, "lithair_raft_snapshot_incoming_bytes 0\n") {
		t.Error("/metrics does not tell of the snapshot")
	}
	if again := m.insist(away, `{"text":"once"}`, "k1"); again.body != first.body {
		t.Errorf("a retry is answered with %s, first it was %s", again.body, first.body)
	}
	// It stops and starts with what it has; then it leads alone with another.
	m.stop(away)
	m.start(away)
	m.leader()
	m.write(away, m.apps[away].engine.Stats().Applied)
	m.leads(away)
	m.leader()
	m.stop(other)
	m.write(away, m.apps[away].engine.Stats().Applied)
	if read := call(t, m.apps[away], "GET", "/api/notes?level=linearizable", ""); read.StatusCode != 200 {
		t.Errorf("%d %s", read.StatusCode, read.body)
	}
	m.start(other)
	m.installed(other)
	m.equal()
	t.Logf("%d notes while it was away", n)
}

// TestJoinBehindCompaction: a node with an empty directory joins a cluster whose log does not go back
// to its beginning any more.
func TestJoinBehindCompaction(t *testing.T) {
	m := compacting(t, 3, 1)
	m.write(m.leader(), 60)
	cfg := m.cfgs[0]
	cfg.Dir, cfg.NodeID, cfg.Join, cfg.Peers, cfg.PeerAddr = t.TempDir(), 4, "", "", freeAddr(t)
	for i, p := range strings.Split(m.cfgs[0].Peers, ",") {
		_, at, _ := strings.Cut(p, "=")
		if i > 0 {
			cfg.Join += ","
		}
		cfg.Join += at
	}
	m.cfgs, m.apps = append(m.cfgs, cfg), append(m.apps, nil)
	m.start(3)
	m.installed(3)
	m.await("it knows that it votes", func() bool {
		x, ok := m.apps[3].cluster.Load().node.Status().Membership.Find(4)
		return ok && x.Role == consensus.Voter
	})
	m.equal()
	status := m.apps[3].clusterStatus(t.Context(), m.apps[3].cluster.Load(), moment{})
	if len(status.Members) != 4 || status.Voters != 4 {
		t.Errorf("%+v", status)
	}
}
