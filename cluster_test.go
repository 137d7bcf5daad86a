package lithair

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// members are the nodes of a cluster in this process, each an application.
type members struct {
	*testing.T
	cfgs []Config
	apps []*App
	set  func(*App)
}

// Ports are tried in turn from one at random on, so that nobody is given the same one twice.
var (
	firstPort  = mathrand.Uint32N(20000)
	portsTried atomic.Uint32
)

// freeAddr finds an address that nobody listens on, below the ports that systems give out by
// themselves: there, somebody's connection would take it soon.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+(firstPort+portsTried.Add(1))%20000))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// startCluster starts n nodes; set registers what they serve.
func startCluster(t *testing.T, n int, set func(*App), change ...func(*Config)) *members {
	t.Helper()
	m := &members{T: t, set: set}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var peers []string
	for i := range n {
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, freeAddr(t)))
	}
	for i := range n {
		m.cfgs = append(m.cfgs, Config{
			Dir: t.TempDir(), NodeID: int64(i + 1), Cluster: "test", Peers: strings.Join(peers, ","),
			ClusterSecretFile: secret, ElectionTimeout: 200 * time.Millisecond, RequestTimeout: 20 * time.Second,
		})
		for _, fn := range change {
			fn(&m.cfgs[i])
		}
		m.apps = append(m.apps, nil)
		m.start(i)
	}
	t.Cleanup(func() {
		for i := range m.apps {
			m.stop(i)
		}
	})
	return m
}

func (m *members) start(i int) {
	m.Helper()
	a := newApp(m.T, m.cfgs[i])
	if m.set != nil {
		m.set(a)
	}
	if err := a.Start(bounded(m.T)); err != nil {
		m.Fatal(err)
	}
	m.apps[i] = a
}

func (m *members) stop(i int) {
	m.Helper()
	if a := m.apps[i]; a != nil {
		m.apps[i] = nil
		if err := stop(a); err != nil {
			m.Errorf("node %d: %v", i+1, err)
		}
	}
}

// leader waits until a running node leads, and all others know it.
func (m *members) leader() (at int) {
	m.Helper()
	m.await("a node leads, and all others know it", func() bool {
		at = -1
		agreed := true
		lead := uint64(0)
		for i, a := range m.apps {
			if a == nil {
				continue
			}
			v, _ := a.cluster.Load().node.View()
			if v.Leads {
				at = i
			}
			if lead == 0 {
				lead = uint64(v.Leader)
			}
			agreed = agreed && v.Leader != 0 && lead == uint64(v.Leader)
		}
		return at >= 0 && agreed && lead == uint64(at+1)
	})
	return at
}

// await waits until a condition holds of the cluster.
func (m *members) await(what string, holds func() bool) {
	m.Helper()
	awaitOr(m.T, func() string {
		for i, a := range m.apps {
			if a != nil {
				what += fmt.Sprintf("; node %d: %+v", i+1, a.cluster.Load().node.Status())
			}
		}
		return what
	}, holds)
}

// memberOf waits until the leader knows a node as a member of a role.
func (m *members) memberOf(id consensus.NodeID, role consensus.Role) {
	m.Helper()
	m.await(fmt.Sprintf("node %d is a %v", id, role), func() bool {
		x, ok := m.apps[m.leader()].cluster.Load().node.Status().Membership.Find(id)
		return ok && x.Role == role
	})
}

// leads has a node lead, asking whoever does so again where that one was not up to date.
func (m *members) leads(to int) {
	m.Helper()
	asked := time.Time{}
	m.await(fmt.Sprintf("node %d leads", to+1), func() bool {
		for i, a := range m.apps {
			if a == nil {
				continue
			}
			if v, _ := a.cluster.Load().node.View(); v.Leads && i == to {
				return true
			} else if v.Leads && time.Since(asked) > m.cfgs[i].ElectionTimeout {
				asked = time.Now()
				_ = a.cluster.Load().node.Transfer(consensus.NodeID(to + 1))
			}
		}
		return false
	})
}

// follower is a running node that does not lead.
func (m *members) follower() int {
	lead := m.leader()
	for i, a := range m.apps {
		if a != nil && i != lead {
			return i
		}
	}
	m.Fatal("all nodes lead")
	return 0
}

// equal waits until all running nodes have the same state.
func (m *members) equal() {
	m.Helper()
	var hashes map[[16]byte]bool
	var seqs map[uint64]bool
	awaitOr(m.T, func() string { return fmt.Sprintf("the nodes are equal: they are at %v", seqs) }, func() bool {
		hashes, seqs = map[[16]byte]bool{}, map[uint64]bool{}
		for _, a := range m.apps {
			if a != nil {
				root := a.engine.Root()
				hashes[root.Hash()], seqs[root.Seq()] = true, true
			}
		}
		return len(seqs) == 1
	})
	if len(hashes) != 1 {
		m.Fatalf("the nodes differ at sequence %v", seqs)
	}
}

func notes(a *App) { Model[note](a, "/api/notes") }

// TestAnyNodeTakesAnyRequest: each node takes writes, has them when it has answered, and says
// who led; the leader stops, and the others go on; it comes back and has what it missed.
func TestAnyNodeTakesAnyRequest(t *testing.T) {
	m := startCluster(t, 3, notes)
	lead := m.leader()
	ids := map[any]bool{}
	for _, a := range m.apps {
		var info map[string]any
		if err := jsonx.Unmarshal([]byte(call(t, a, "GET", "/info", "").body), &info); err != nil {
			t.Fatal(err)
		}
		ids[info["cluster_id"]] = true
	}
	if len(ids) != 1 || ids[nil] {
		t.Errorf("ids of one cluster: %v", ids)
	}
	for i, a := range m.apps {
		var got answer
		m.await("a write through a node, and one leader meanwhile", func() bool {
			lead = m.leader()
			got = m.insist(i, fmt.Sprintf(`{"text":"of node %d"}`, i+1), fmt.Sprint("of-", i))
			return m.leader() == lead
		})
		if got.Header.Get("Lithair-Leader") != strconv.Itoa(lead+1) || got.Header.Get("Lithair-Term") == "" {
			t.Fatalf("node %d: %d %s %v", i+1, got.StatusCode, got.body, got.Header)
		}
		if read := call(t, a, "GET", got.Header.Get("Location")+"?level=none", ""); read.StatusCode != 200 || read.Header.Get("Lithair-Level") != "none" {
			t.Errorf("node %d does not have what was written through it: %d %s", i+1, read.StatusCode, read.body)
		}
		for _, level := range []string{"", "?level=weak", "?level=linearizable", "?level=strong", "?min_index=" + got.Header.Get("Lithair-Index"), "?level=none&freshness=20s", "?freshness=20s&freshness_strict"} {
			for j, b := range m.apps {
				if read := call(t, b, "GET", "/api/notes"+level, ""); read.StatusCode != 200 || !strings.Contains(read.body, fmt.Sprintf("of node %d", i+1)) {
					t.Errorf("node %d%s: %d %s", j+1, level, read.StatusCode, read.body)
				}
			}
		}
	}
	var missing []string
	awaitOr(t, func() string { return fmt.Sprintf("in /metrics of the leader %q", missing) }, func() bool { // another one may lead by then
		lead = m.leader()
		figures := call(t, m.apps[lead], "GET", "/metrics", "").body
		missing = slices.DeleteFunc([]string{"lithair_raft_has_leader 1\n", "lithair_raft_is_leader 1\n", fmt.Sprintf("lithair_raft_leader_id %d\n", lead+1), "lithair_raft_voters 3\n", fmt.Sprintf("lithair_raft_newest_format %d\n", consensus.NewestFormat), "lithair_raft_unread_format 0\n", "lithair_raft_leader_changes_total ", fmt.Sprintf("lithair_raft_peer_active{peer=\"%d\"} 1\n", m.follower()+1)},
			func(want string) bool { return strings.Contains(figures, want) })
		return len(missing) == 0 && !strings.Contains(figures, "lithair_raft_leader_changes_total 0\n")
	})
	m.stop(lead)
	other := m.follower()
	m.insist(other, `{"text":"without the first leader"}`, "without-the-first-leader")
	m.start(lead)
	m.leader()
	if got := call(t, m.apps[lead], "GET", "/api/notes", ""); !strings.Contains(got.body, "without the first leader") {
		t.Errorf("the node that was away answers %s", got.body)
	}
	m.equal()
}

// TestWhatTravelsWithARequest: the leader sees method, target, fields, body and who the client
// is; what the client says of that, and of the way between nodes, is not believed.
func TestWhatTravelsWithARequest(t *testing.T) {
	seen := make(chan string, 10)
	m := startCluster(t, 3, func(a *App) {
		a.Put("/x/{id}", func(w *wire.Response, r *wire.Request) error {
			b, err := r.BorrowBody(0)
			if err != nil {
				return err
			}
			_, bounded := r.Context().Deadline()
			seen <- fmt.Sprintf("%d %s %s %q %s %s %s %s %v", a.cfg.NodeID, r.Method(), r.Path(), r.RawQuery(), b, r.Header("X-Own"), r.ClientAddr(), r.Header("Authorization"), bounded)
			w.SetHeader("X-Answer", "yes")
			return w.Send(207, "text/plain", []byte("answer"))
		})
	})
	lead, other := m.leader(), m.follower()
	got := call(t, m.apps[other], "PUT", "/x/1?a=b%20c", "body", "X-Own: mine", "Authorization: Bearer t", "X-Forwarded-For: 1.2.3.4", "Connection: X-Gone", "X-Gone: 1")
	want := fmt.Sprintf(`%d PUT /x/1 "a=b%%20c" body mine 127.0.0.1 Bearer t true`, lead+1)
	if have := receive(t, "a request on the leader", seen); have != want {
		t.Errorf("the leader sees\n%s\nwant\n%s", have, want)
	}
	if got.StatusCode != 207 || got.body != "answer" || got.Header.Get("X-Answer") != "yes" || len(got.Header["Content-Length"]) != 1 || len(got.Header["X-Request-Id"]) != 1 {
		t.Errorf("the client gets %d %s %v", got.StatusCode, got.body, got.Header)
	}
	if got := call(t, m.apps[other], "PUT", "/x/2", strings.Repeat("x", maxReplayed+1)); got.StatusCode != 207 {
		t.Errorf("a body that is not kept: %d %s", got.StatusCode, got.body)
	}
}

// TestADoubtOutlivesTheLeader: a request that a leader may have carried out is repeated with its key; when no node takes it until its
// time is over, nobody says that nothing was changed.
func TestADoubtOutlivesTheLeader(t *testing.T) {
	var asked atomic.Int64
	m := startCluster(t, 3, func(a *App) {
		a.Post("/doubt", func(*wire.Response, *wire.Request) error {
			if asked.Add(1) == 1 {
				return notKnown("the test says so", nil)
			}
			return notMade("the test says so") // of this attempt
		})
	}, func(c *Config) { c.RequestTimeout = 500 * time.Millisecond })
	m.leader()
	for _, c := range []struct {
		outcome string
		seen    int64 // attempts before
		fields  []string
	}{
		{"unknown", 0, []string{"Idempotency-Key: one"}}, // and repeated
		{"unknown", 0, nil}, // not repeated
		{"none", 1, []string{"Idempotency-Key: two"}},
		{"none", 1, nil},
	} {
		asked.Store(c.seen)
		got := call(t, m.apps[m.follower()], "POST", "/doubt", "", c.fields...)
		if got.StatusCode != 503 || got.Header.Get(fieldOutcome) != c.outcome {
			t.Errorf("%q, %d attempts before: %d, outcome %q, want %q: %s", c.fields, c.seen, got.StatusCode, got.Header.Get(fieldOutcome), c.outcome, got.body)
		}
	}
}

// TestADoubtOutlivesAConnection: the leader may have carried a request out when its connection ends, and says of the
// next attempt that nothing was: the client of nodes does not send again by itself what this one must know of.
func TestADoubtOutlivesAConnection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{} // attempts of each case
	m := startCluster(t, 3, func(a *App) {
		a.Post("/warm", func(*wire.Response, *wire.Request) error { return nil })
		for _, method := range []string{"POST", "DELETE"} {
			a.Handle(method+" /doubt/{case}", func(w *wire.Response, r *wire.Request) error {
				mu.Lock()
				asked[r.PathValue("case")]++
				first := asked[r.PathValue("case")] == 1
				mu.Unlock()
				if !first {
					return notMade("the test says so")
				}
				nc, _, err := r.Hijack()
				if err != nil {
					return err
				}
				return nc.Close()
			})
		}
	}, func(c *Config) { c.RequestTimeout = 500 * time.Millisecond })
	for _, method := range []string{"POST", "DELETE"} {
		for i, fields := range [][]string{{"Idempotency-Key: " + method}, nil} {
			a := m.apps[m.follower()]
			if got := call(t, a, "POST", "/warm", "", fields...); got.StatusCode >= 300 { // so that a connection is used again
				t.Fatal(got.StatusCode, got.body)
			}
			name := fmt.Sprint(method, i)
			if got := call(t, a, method, "/doubt/"+name, "", fields...); got.StatusCode != 503 || got.Header.Get(fieldOutcome) != "unknown" {
				t.Errorf("%s %q: %d, outcome %q: %s", method, fields, got.StatusCode, got.Header.Get(fieldOutcome), got.body)
			}
		}
	}
}

// TestAPausedLeaderKeepsNoRequest: a node that was handed a request, and answers nothing while another one leads, is not waited for until the client
// gives up: what can be sent again goes to the new leader, and of the rest it is said that nobody knows.
func TestAPausedLeaderKeepsNoRequest(t *testing.T) {
	var paused atomic.Int64
	release, entered := make(chan struct{}), make(chan struct{}, 10)
	defer close(release)
	m := startCluster(t, 3, func(a *App) {
		a.Post("/slow", func(w *wire.Response, r *wire.Request) error {
			if a.cfg.NodeID == paused.Load() {
				entered <- struct{}{}
				<-release
			}
			return w.Send(200, "text/plain", []byte("made"))
		})
	})
	for _, c := range []struct {
		status int
		fields []string
	}{{200, []string{"Idempotency-Key: again"}}, {503, nil}} {
		lead := m.leader()
		via, next := m.apps[(lead+1)%3], (lead+2)%3
		paused.Store(int64(lead + 1))
		answers := make(chan answer, 1)
		go func() { answers <- call(t, via, "POST", "/slow", "", c.fields...) }()
		select {
		case <-entered:
		case <-time.After(15 * time.Second):
			t.Fatal("the leader is never asked")
		}
		m.leads(next)
		if got := <-answers; got.StatusCode != c.status || c.status == 503 && (got.Header.Get(fieldOutcome) != "unknown" || !strings.Contains(got.body, "went away")) {
			t.Errorf("%q: %d, outcome %q: %s", c.fields, got.StatusCode, got.Header.Get(fieldOutcome), got.body)
		}
	}
}

// TestFunctionsDoNotTravel: Update on a node that follows says who leads.
func TestFunctionsDoNotTravel(t *testing.T) {
	m := startCluster(t, 3, notes)
	nothing := func(*Tx) error { return nil }
	var err error
	last := func(what string) func() string { return func() string { return fmt.Sprintf("%s: %v", what, err) } }
	awaitOr(t, last("Update on a node that follows says who leads"), func() bool { // another one may lead by then
		lead, other := m.leader(), m.follower()
		err = m.apps[other].Update(t.Context(), nothing)
		var not *NotLeaderError
		return errors.Is(err, ErrNotLeader) && errors.As(err, &not) && not.Leader == uint64(lead+1)
	})
	awaitOr(t, last("Update on the leader"), func() bool {
		err = m.apps[m.leader()].Update(t.Context(), nothing)
		return err == nil
	})
	if err := m.apps[m.follower()].Barrier(t.Context(), engine.Strong); err != nil {
		t.Error(err)
	}
}

// TestWithoutAQuorum: a node that is left alone takes no writes and says so truly; what it has
// can be read by who asks for no more.
func TestWithoutAQuorum(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 3, notes)
	for i := range m.cfgs {
		m.cfgs[i].RequestTimeout = 300 * time.Millisecond
	}
	keep := m.follower()
	m.apps[keep].cfg.RequestTimeout = 300 * time.Millisecond
	a := m.apps[keep]
	m.insist(keep, `{"text":"there"}`, "there")
	for i := range m.apps {
		if i != keep {
			m.stop(i)
		}
	}
	m.await("it knows of no leader", func() bool { v, _ := a.cluster.Load().node.View(); return v.Leader == 0 })
	got := call(t, a, "POST", "/api/notes", `{"text":"not"}`)
	if got.StatusCode != 503 || got.Header.Get(fieldOutcome) != "none" || got.Header.Get("Retry-After") == "" || got.Header.Get("Lithair-Leader") != "0" {
		t.Errorf("a write without a quorum: %d %s %v", got.StatusCode, got.body, got.Header)
	}
	for path, want := range map[string]int{
		"/api/notes?level=none": 200, "/api/notes": 503, "/api/notes?level=linearizable": 503, "/api/notes?freshness=1ms": 503, "/health": 200, "/ready": 503,
	} {
		if got := call(t, a, "GET", path, ""); got.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, got.StatusCode, got.body, want)
		}
	}
	var info map[string]any
	if err := jsonx.Unmarshal([]byte(call(t, a, "GET", "/info", "").body), &info); err != nil || info["leader_id"] != 0.0 || info["leader"] != false || len(info["members"].([]any)) != 3 {
		t.Errorf("/info: %v %v", info, err)
	}
}

// TestALoneNodeBecomesAMember: a directory without a cluster goes on as the first node of one.
func TestALoneNodeBecomesAMember(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	a := newApp(t, cfg)
	notes(a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := call(t, a, "POST", "/api/notes", `{"text":"before"}`); got.StatusCode != 201 {
		t.Fatal(got.body)
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	cfg.Cluster, cfg.NodeID, cfg.PeerAddr = "test", 7, freeAddr(t)
	a = newApp(t, cfg)
	if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "is that of node 1") {
		t.Errorf("a node with another number: %v", err)
	}
	cfg.NodeID = 1
	for range 2 {
		a = newApp(t, cfg)
		notes(a)
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := call(t, a, "POST", "/api/notes", `{"text":"after"}`); got.StatusCode != 201 {
			t.Fatal(got.body)
		}
		if got := call(t, a, "GET", "/api/notes", ""); !strings.Contains(got.body, "before") {
			t.Fatal(got.body)
		}
		await(t, "what others are to reach it at comes into the membership", func() bool {
			me, _ := a.cluster.Load().node.Status().Membership.Find(1)
			return me.Address == cfg.PeerAddr
		})
		if err := stop(a); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMembersComeAndGo: a node joins by the address of any member, becomes a voter and has
// everything; leadership goes where it is sent; a node is removed, and not where that leaves no
// quorum.
func TestMembersComeAndGo(t *testing.T) {
	m := startCluster(t, 3, notes)
	other := m.follower()
	m.insist(other, `{"text":"before"}`, "before")
	cfg := m.cfgs[0]
	cfg.Dir, cfg.NodeID, cfg.Peers, cfg.PeerAddr = t.TempDir(), 4, "", freeAddr(t)
	cfg.Join = m.apps[other].cluster.Load().cfg.listen
	m.cfgs, m.apps = append(m.cfgs, cfg), append(m.apps, nil)
	m.start(3)
	m.memberOf(4, consensus.Voter)
	m.await("the format is raised", func() bool {
		st, err := m.apps[other].change(t.Context(), m.apps[other].cluster.Load(), memberChange{Do: "join", ID: 4, Address: cfg.PeerAddr, Incarnation: m.apps[3].cluster.Load().node.Identity().Incarnation})
		return err == nil && st.Format == consensus.NewestFormat && st.Members[3].Format == st.Format && st.Members[3].NewestFormat == st.Format
	})
	for _, wish := range []memberChange{{Oldest: 1, Newest: 1}, {}} { // the latter of a release before formats had numbers
		wish.Do, wish.ID, wish.Address, wish.Incarnation = "join", 5, "127.0.0.1:1", 9
		if _, err := m.apps[other].change(t.Context(), m.apps[other].cluster.Load(), wish); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("node 5 runs a release that reads the formats 1 to 1; the format of its cluster is %d: start a newer release", consensus.NewestFormat)) {
			t.Errorf("a release that is too old is taken in: %v", err)
		}
	}
	m.equal()
	if got := call(t, m.apps[3], "GET", "/api/notes", ""); !strings.Contains(got.body, "before") {
		t.Errorf("the new node answers %d %s", got.StatusCode, got.body)
	}
	ask := func(at int, do string, id uint64) (clusterStatus, error) {
		return m.apps[at].change(t.Context(), m.apps[at].cluster.Load(), memberChange{Do: do, ID: id})
	}
	if s, err := ask(other, "transfer", 4); err != nil || s.Leader != 4 || s.Quorum != 3 || len(s.Members) != 4 {
		t.Fatalf("leadership is sent to node 4: %+v %v", s, err)
	}
	if got := call(t, m.apps[other], "POST", "/api/notes", `{"text":"the new node leads"}`); got.StatusCode != 201 || got.Header.Get("Lithair-Leader") != "4" {
		t.Errorf("%d %s %v", got.StatusCode, got.body, got.Header)
	}
	if s, err := ask(0, "remove", 1); err != nil || s.Voters != 3 {
		t.Fatalf("node 1 is removed: %+v %v", s, err)
	}
	m.stop(0)
	m.stop(1)
	m.await("node 2 is silent", func() bool { return !answers(m.apps[3].cluster.Load().node.Status(), 2) })
	if _, err := ask(3, "remove", 3); err == nil || !strings.Contains(err.Error(), "without node 3 the cluster has 2 voters and needs 2 of them for every write; 1 answer (4), silent: 2") {
		t.Errorf("node 3 is removed: %v", err)
	}
	if _, err := ask(3, "remove", 2); err != nil {
		t.Errorf("the silent node is removed: %v", err)
	}
	for _, c := range []struct {
		do string
		id uint64
	}{{"remove", 9}, {"promote", 3}, {"transfer", 2}, {"dance", 3}, {"remove", 3}} {
		if s, err := ask(3, c.do, c.id); c.do == "remove" && c.id == 3 {
			if err != nil || s.Voters != 1 {
				t.Errorf("%+v: %+v %v", c, s, err)
			}
		} else if err == nil {
			t.Errorf("%+v is done: %+v", c, s)
		}
	}
	if _, err := ask(3, "remove", 4); err == nil {
		t.Error("the last voter is removed")
	}
}

// TestRemovedNodesSaySo: a voter that led, one that followed and a learner find out that they are removed, and say so at once,
// instead of waiting for a leader, or of showing for ever what they had.
func TestRemovedNodesSaySo(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 4, notes)
	cfg := m.cfgs[0]
	cfg.Dir, cfg.NodeID, cfg.Peers, cfg.PeerAddr, cfg.Learner = t.TempDir(), 5, "", freeAddr(t), true
	cfg.Join = m.apps[0].cluster.Load().cfg.listen
	m.cfgs, m.apps = append(m.cfgs, cfg), append(m.apps, nil)
	m.start(4)
	m.memberOf(5, consensus.Learner)
	m.insist(4, `{"text":"before"}`, "before")
	for _, out := range []int{4, m.leader(), m.follower()} {
		gone := m.apps[out]
		follower := dialLive(t, gone)
		m.await("node "+strconv.Itoa(out+1)+" is removed", func() bool {
			via := m.apps[slices.IndexFunc(m.apps, func(a *App) bool { return a != nil && a != gone })]
			_, err := via.change(t.Context(), via.cluster.Load(), memberChange{Do: "remove", ID: uint64(out + 1)})
			return err == nil || strings.Contains(err.Error(), "is not a member") // made, and the answer lost
		})
		m.await("it knows", func() bool { return gone.cluster.Load().removed.Load() })
		if _, _, err := follower.c.Read(bounded(t)); !strings.Contains(fmt.Sprint(err), "answers nothing any more") {
			t.Errorf("a live connection there: %v", err)
		}
		for _, ask := range [][3]string{{"GET", "/api/notes"}, {"GET", "/api/notes?level=none"}, {"POST", "/api/notes", `{"text":"after"}`}} {
			if got := call(t, gone, ask[0], ask[1], ask[2]); got.StatusCode != 503 || !strings.Contains(got.body, "removed from its cluster") || got.Header.Get(fieldOutcome) != "none" {
				t.Errorf("%s %s: %d %s", ask[0], ask[1], got.StatusCode, got.body)
			}
		}
		if got := call(t, gone, "GET", "/ready?verbose", ""); got.StatusCode != 503 || !strings.Contains(got.body, "removed from its cluster") {
			t.Errorf("/ready: %d %s", got.StatusCode, got.body)
		}
		m.stop(out)
	}
}

// authority makes certificates for 127.0.0.1, all signed by one of its own.
type authority struct {
	*testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t, dir: t.TempDir()}
	a.cert, a.key = a.make("ca", nil, nil)
	return a
}

// make writes NAME.pem and NAME.key; without a parent it signs itself.
func (a *authority) make(name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+file), pem.EncodeToMemory(b), 0o600); err != nil {
			a.Fatal(err)
		}
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		a.Fatal(err)
	}
	return c, key
}

// TestNodesSpeakTLS: nodes whose certificates are of one authority form a cluster; one with a
// certificate of another is not let in.
func TestNodesSpeakTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	tls := func(a *authority) func(*Config) {
		return func(c *Config) {
			name := strconv.FormatInt(c.NodeID, 10)
			a.make(name, a.cert, a.key)
			c.PeerTLSCert, c.PeerTLSKey, c.PeerTLSCA = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key"), filepath.Join(ours.dir, "ca.pem")
		}
	}
	m := startCluster(t, 3, notes, tls(ours))
	m.insist(m.follower(), `{"text":"sealed"}`, "sealed")
	m.equal()
	cfg := m.cfgs[0]
	cfg.Dir, cfg.NodeID, cfg.Join, cfg.Peers, cfg.PeerAddr = t.TempDir(), 4, m.apps[0].cluster.Load().cfg.listen, "", freeAddr(t)
	tls(theirs)(&cfg)
	m.cfgs, m.apps = append(m.cfgs, cfg), append(m.apps, nil)
	m.start(3)
	c := m.apps[3].cluster.Load()
	if _, err := c.send(t.Context(), joinURL(cfg.Join), memberChange{Do: "join", ID: 4, Address: cfg.PeerAddr, Incarnation: 5}); err == nil {
		t.Error("a stranger is let in")
	}
	cfg.Dir, cfg.NodeID, cfg.PeerAddr, cfg.PeerTLSCA = t.TempDir(), 5, freeAddr(t), m.cfgs[0].PeerTLSCA // it knows us, and we do not know it
	m.cfgs, m.apps = append(m.cfgs, cfg), append(m.apps, nil)
	m.start(4)
	c = m.apps[4].cluster.Load()
	if _, err := c.send(t.Context(), joinURL(cfg.Join), memberChange{Do: "join", ID: 5, Address: cfg.PeerAddr, Incarnation: 5}); err == nil || !strings.Contains(err.Error(), "does not take this node's certificate") {
		t.Errorf("a certificate of another authority: %v", err)
	}
	if n := len(m.apps[0].cluster.Load().node.Status().Membership.Members); n != 3 {
		t.Errorf("the cluster has %d members", n)
	}
	trusted := filepath.Join(ours.dir, "ca.pem")
	both, err := os.ReadFile(trusted)
	more, other := os.ReadFile(filepath.Join(theirs.dir, "ca.pem"))
	if err = errors.Join(err, other); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{[]byte("no certificate"), append(both, more...)} { // the first changes nothing
		if err := os.WriteFile(trusted, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m.insist(0, `{"text":"more"}`, "more")
	}
	m.await("the other authority is taken as well, while nodes run", func() bool {
		_, in := m.apps[0].cluster.Load().node.Status().Membership.Find(5)
		return in
	})
}

// TestClusterSettings: what cannot be is refused, with the setting's name.
func TestClusterSettings(t *testing.T) {
	const peers = "1=127.0.0.1:7001,2=127.0.0.1:7002"
	for _, c := range []struct {
		name string
		cfg  Config
		says string
	}{
		{"a node without a cluster", Config{NodeID: 1}, "node-id: needs cluster"},
		{"peers without a cluster", Config{Peers: peers}, "peers: needs cluster"},
		{"no number", Config{Cluster: "x", Peers: peers}, "node-id: is 0"},
		{"not among them", Config{Cluster: "x", NodeID: 3, Peers: peers}, "is not among them"},
		{"twice", Config{Cluster: "x", NodeID: 1, Peers: peers + ",1=127.0.0.1:7003"}, "there twice"},
		{"no address", Config{Cluster: "x", NodeID: 1}, "peer-addr: is required"},
		{"malformed", Config{Cluster: "x", NodeID: 1, Peers: "1:127.0.0.1"}, "is not ID=HOST:PORT"},
		{"no port", Config{Cluster: "x", NodeID: 1, Peers: "1=127.0.0.1"}, "is not HOST:PORT"},
		{"both", Config{Cluster: "x", NodeID: 1, Peers: peers, Join: "127.0.0.1:7003"}, "not both"},
		{"join nowhere", Config{Cluster: "x", NodeID: 1, PeerAddr: "127.0.0.1:7001", Join: "there"}, "join:"},
		{"leases and voters that do not wait", Config{Cluster: "x", NodeID: 1, Peers: peers, LeaseReads: true}, "lease-reads:"},
		{"a learner of nobody", Config{Cluster: "x", NodeID: 1, Peers: peers, Learner: true}, "learner:"},
		{"half of TLS", Config{Cluster: "x", NodeID: 1, Peers: peers, PeerTLSCert: "a"}, "one needs the others"},
		{"too fast", Config{Cluster: "x", NodeID: 1, Peers: peers, ElectionTimeout: time.Millisecond}, "election-timeout"},
		{"one address for two", Config{Cluster: "x", NodeID: 1, Peers: peers + ",3=127.0.0.1:7001"}, "nodes 1 and 3 have the same address 127.0.0.1:7001"},
		{"found nowhere", Config{Cluster: "x", NodeID: 1, PeerAddr: "0.0.0.0:7001", Join: "10.0.0.1:7001"}, "names no host"},
		{"found nowhere by IPv6", Config{Cluster: "x", NodeID: 1, PeerAddr: "[::]:7001"}, "names no host"},
		{"no host", Config{Cluster: "x", NodeID: 1, PeerAddr: ":7001"}, "names no host"},
		{"authorities without a cluster", Config{PeerTLSCA: "ca"}, "peer-tls-ca: needs cluster"},
		{"off loopback", Config{Cluster: "x", NodeID: 1, PeerAddr: "0.0.0.0:0", Peers: peers}, "not a loopback address"},
		{"no secret there", Config{Cluster: "x", NodeID: 1, Peers: peers, ClusterSecretFile: "/nowhere"}, "cluster-secret-file"},
	} {
		a := newApp(t, c.cfg)
		notes(a)
		if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		} else if strings.Contains(err.Error(), "data directory") {
			t.Errorf("%s: a setting is called data: %v", c.name, err)
		}
	}
	a := newApp(t, Config{JoinTokenFile: "/nowhere", PeerAddr: "127.0.0.1:7001"})
	if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "join-token-file") || strings.Contains(err.Error(), "needs cluster") {
		t.Errorf("a token that is not there: %v", err)
	}
}

// TestAMembersDirectoryAlone: the directory of a member, started without the cluster's flags, is refused, not waited on for ever for
// voters that nobody asks; the member goes on behind that.
func TestAMembersDirectoryAlone(t *testing.T) {
	m := startCluster(t, 3, notes)
	m.insist(m.follower(), `{"text":"kept"}`, "kept")
	m.equal()
	m.stop(1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	a := newApp(t, Config{Dir: m.cfgs[1].Dir})
	notes(a)
	err := a.Start(ctx)
	if !errors.Is(err, node.ErrOtherDirectory) || !strings.Contains(fmt.Sprint(err), "-cluster") {
		t.Errorf("alone: %v", err)
	}
	m.start(1)
	m.equal()
}

// TestALostQuorum: the directory of one node goes on as a cluster of its own, with all that it held; the
// old members are refused by it, and it by them; a new node joins it.
func TestALostQuorum(t *testing.T) {
	m := startCluster(t, 3, notes)
	m.insist(m.follower(), `{"text":"kept"}`, "kept")
	m.equal()
	recoverAt := func(dir, name string, agree error) (Recovery, error) {
		return RecoverCluster(RecoverConfig{Dir: dir, Cluster: name, Address: m.cfgs[0].PeerAddr, Agree: func(Recovery) error { return agree }})
	}
	m.cfgs[0].PeerAddr = freeAddr(t)
	var locked *disk.LockedError
	if _, err := recoverAt(m.cfgs[0].Dir, "test2", nil); !errors.As(err, &locked) {
		t.Errorf("a node that runs is recovered: %v", err)
	}
	for i := range m.apps {
		m.stop(i)
	}
	no := errors.New("no")
	if r, err := recoverAt(m.cfgs[0].Dir, "test2", no); !errors.Is(err, no) || r.Node != 1 || len(r.Members) != 3 || r.Last == 0 || r.Committed > r.Last {
		t.Errorf("not agreed to: %+v %v", r, err)
	}
	if _, err := recoverAt(m.cfgs[0].Dir, "test", nil); !errors.Is(err, node.ErrSameCluster) {
		t.Errorf("under the same name: %v", err)
	}
	if _, err := recoverAt(t.TempDir(), "test2", nil); !errors.Is(err, node.ErrNotInCluster) {
		t.Errorf("an empty directory: %v", err)
	}
	r, err := recoverAt(m.cfgs[0].Dir, "test2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(m.cfgs[0].Dir, fmt.Sprintf("recovery-%d.json", r.Last))); err != nil {
		t.Error(err)
	}
	a := newApp(t, m.cfgs[0])
	notes(a)
	if err := a.Start(t.Context()); err == nil || !errors.Is(err, node.ErrOtherDirectory) {
		t.Errorf("under the old name: %v", err)
	}
	for i := range m.cfgs {
		m.cfgs[i].Cluster, m.cfgs[i].Peers = "test2", ""
	}
	for range 2 { // also behind a restart
		m.start(0)
		m.leader()
		if got := call(t, m.apps[0], "POST", "/api/notes", `{"text":"alone"}`); got.StatusCode != 201 {
			t.Fatal(got.body)
		}
		if got := call(t, m.apps[0], "GET", "/api/notes", ""); !strings.Contains(got.body, "kept") {
			t.Error(got.body)
		}
		m.stop(0)
	}
	m.start(0)
	old := m.cfgs[1]
	old.Join, old.PeerAddr = m.cfgs[0].PeerAddr, freeAddr(t)
	a = newApp(t, old)
	notes(a)
	if err := a.Start(t.Context()); err == nil || !errors.Is(err, node.ErrOtherDirectory) {
		t.Errorf("an old directory joins: %v", err)
	}
	old.Dir = t.TempDir()
	m.cfgs[1] = old
	m.start(1)
	m.memberOf(2, consensus.Voter)
	m.equal()
	if n := len(m.apps[1].cluster.Load().node.Status().Membership.Members); n != 2 {
		t.Errorf("the new cluster has %d members", n)
	}
}

// records resolves names as a test says.
type records struct {
	hosts map[string][]string
	srv   map[string][]*net.SRV
}

func (r records) LookupHost(_ context.Context, host string) ([]string, error) {
	if a := r.hosts[host]; a != nil {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (r records) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if a := r.srv[name]; a != nil {
		return name, a, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// TestTokensAndNames: a node joins by a token alone; not with one that has expired, is for another node or
// was changed; and by names whose addresses and services a resolver knows.
func TestTokensAndNames(t *testing.T) {
	m := startCluster(t, 3, notes)
	lead := m.apps[m.leader()]
	make := func(node int64, expires time.Time) string {
		secret, err := lead.cfg.secret()
		if err != nil {
			t.Fatal(err)
		}
		k := joinToken{Cluster: "test", Node: node, Members: []string{m.apps[m.follower()].cluster.Load().cfg.listen}, Secret: secret, pass: pass{Expires: expires.Unix(), Nonce: []byte("n")}}
		k.Proof = k.prove(secret, "test", node)
		text, err := k.text()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	c := lead.cluster.Load()
	late, err := parseTokenFile(make(4, time.Now().Add(-time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	good, err := parseTokenFile(make(4, time.Now().Add(time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	longer := good.pass
	longer.Expires += 1000
	for _, x := range []struct {
		id   uint64
		p    pass
		says string
	}{{4, late.pass, "expired"}, {5, good.pass, "not one of this cluster for node 5"}, {4, longer, "not one of this cluster"}} {
		wish := memberChange{Do: "join", ID: x.id, Address: "127.0.0.1:1", Incarnation: 9, Pass: &x.p}
		if _, err := lead.change(t.Context(), c, wish); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("node %d is let in: %v", x.id, err)
		}
	}
	cfg := Config{Dir: t.TempDir(), JoinTokenFile: make(4, time.Now().Add(time.Minute)), PeerAddr: freeAddr(t), ElectionTimeout: 200 * time.Millisecond}
	for _, other := range []Config{{Cluster: "other"}, {NodeID: 7}, {Peers: "1=a:1"}, {ClusterSecretFile: "x"}} {
		other.JoinTokenFile = cfg.JoinTokenFile
		if err := other.takeToken(); err == nil {
			t.Errorf("a token is taken beside %+v", other)
		}
	}
	for _, text := range []string{"", "lithair1.", "lithair1.x", "lithair2." + "e30", "lithair1.e30"} {
		if _, err := parseToken(text); err == nil {
			t.Errorf("%q is a token", text)
		}
	}
	_, port, err := net.SplitHostPort(m.apps[0].cluster.Load().cfg.listen)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	known := records{hosts: map[string][]string{"nodes.test": {"127.0.0.1"}}, srv: map[string][]*net.SRV{"_lithair._tcp.test": {{Target: "localhost.", Port: uint16(number)}}}}
	byHost, bySRV := m.cfgs[0], m.cfgs[0]
	byHost.Dir, byHost.NodeID, byHost.Peers, byHost.PeerAddr, byHost.Join, byHost.Resolver = t.TempDir(), 5, "", freeAddr(t), "gone.test:1,nodes.test:"+port, known
	bySRV.Dir, bySRV.NodeID, bySRV.Peers, bySRV.PeerAddr, bySRV.Join, bySRV.Resolver = t.TempDir(), 6, "", freeAddr(t), "srv:_lithair._tcp.test", known
	for _, x := range []Config{cfg, byHost, bySRV} {
		m.cfgs, m.apps = append(m.cfgs, x), append(m.apps, nil)
		m.start(len(m.apps) - 1)
		id := m.apps[len(m.apps)-1].cluster.Load().cfg.id
		m.memberOf(id, consensus.Voter)
	}
	m.equal()
	var a agreement
	awaitOr(t, func() string { return fmt.Sprintf("%+v", a) }, func() bool {
		lead := m.apps[m.leader()]
		a = lead.agreement(t.Context(), lead.cluster.Load())
		return a.Agree && len(a.Members) == 6
	})
}

func parseTokenFile(name string) (joinToken, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return joinToken{}, err
	}
	return parseToken(string(b))
}

// TestAWrongClockDoesNotLead: a leader whose clock is two minutes off hands over, and says by how much it is off.
func TestAWrongClockDoesNotLead(t *testing.T) {
	var ahead [3]atomic.Int64
	m := startCluster(t, 3, notes, func(c *Config) {
		id := c.NodeID - 1
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead[id].Load())) }
	})
	lead := m.leader()
	ahead[lead].Store(int64(2 * time.Minute))
	m.await("another node leads", func() bool { return m.leader() != lead })
	drift, known := m.apps[lead].cluster.Load().soundings.judge()
	if !known || drift < 115*time.Second || drift > 125*time.Second {
		t.Errorf("the clock is %v off, known %v", drift, known)
	}
	now, figures, rtt := -1, "", 0.0
	wants := []string{"lithair_raft_proposals_failed_total ", "lithair_raft_clock_drift_seconds ", fmt.Sprintf("lithair_raft_peer_lag_bytes{peer=\"%d\"} 0\n", lead+1), fmt.Sprintf("lithair_raft_peer_lag_seconds{peer=\"%d\"} 0\n", lead+1)}
	awaitOr(t, func() string { return fmt.Sprintf("%q in /metrics of the leader:\n%s", wants, figures) }, func() bool { // who was just elected has not heard of all yet
		now = m.leader()
		figures = call(t, m.apps[now], "GET", "/metrics", "").body
		_, rest, _ := strings.Cut(figures, fmt.Sprintf("lithair_raft_peer_rtt_seconds{peer=\"%d\"} ", lead+1))
		text, _, _ := strings.Cut(rest, "\n")
		var err error
		rtt, err = strconv.ParseFloat(text, 64)
		all := err == nil && rtt > 0
		for _, want := range wants {
			all = all && strings.Contains(figures, want)
		}
		return all
	})
	if rtt > patience.Seconds() {
		t.Errorf("the way to the other node and back takes %v s", rtt)
	}
	third := 3 - lead - now
	for _, a := range []int{lead, third} {
		m.stop(a)
		if a == lead {
			if got := call(t, m.apps[now], "POST", "/api/notes", `{"text":"without one"}`); got.StatusCode != 201 {
				t.Fatal(got.body)
			}
		}
	}
}

// TestLagOfAPeer: what a node that is away lacks is told in entries, bytes and seconds.
func TestLagOfAPeer(t *testing.T) {
	m := startCluster(t, 3, notes)
	lead, away := m.leader(), m.follower()
	m.stop(away)
	for i := range 20 {
		m.insist(lead, `{"text":"it lacks this"}`, fmt.Sprint("lag-", i))
	}
	for _, name := range []string{"entries", "bytes", "seconds"} {
		want := fmt.Sprintf("lithair_raft_peer_lag_%s{peer=\"%d\"} ", name, away+1)
		m.await("what it lacks is told in "+name, func() bool {
			_, rest, _ := strings.Cut(call(t, m.apps[m.leader()], "GET", "/metrics", "").body, want)
			text, _, _ := strings.Cut(rest, "\n")
			v, err := strconv.ParseFloat(text, 64)
			return err == nil && (name == "seconds" && v > 0 || name == "entries" && v >= 20 || name == "bytes" && v > 1000)
		})
	}
}

// TestARestartWhileNobodyWrites: a follower that was stopped cleanly, and started again, has all there is. It answers reads at every
// level, and is ready, though nothing more is committed.
func TestARestartWhileNobodyWrites(t *testing.T) {
	m := startCluster(t, 3, notes, func(c *Config) { c.RequestTimeout = 3 * time.Second })
	lead, away := m.leader(), m.follower()
	if got := call(t, m.apps[lead], "POST", "/api/notes", `{"text":"the last one"}`); got.StatusCode != 201 {
		t.Fatal(got.body)
	}
	applied := func(i int) uint64 { return m.apps[i].engine.Stats().Applied }
	m.await("nothing is under way", func() bool {
		s := m.apps[lead].cluster.Load().node.Status()
		return s.Membership.ActiveFormat() == consensus.NewestFormat && s.Last == applied(lead) && applied(away) == applied(lead)
	})
	all := applied(lead)
	m.stop(away)
	m.start(away)
	m.leader()
	if got := applied(away); got != all {
		t.Errorf("the node has applied %d entries of %d", got, all)
	}
	for _, query := range []string{"", "?level=weak", "?level=linearizable", fmt.Sprintf("?min_index=%d", m.apps[away].engine.Root().Seq())} {
		if got := call(t, m.apps[away], "GET", "/api/notes"+query, ""); got.StatusCode != 200 || !strings.Contains(got.body, "the last one") {
			t.Errorf("%q: %d %s", query, got.StatusCode, got.body)
		}
	}
	if got := applied(lead); got != all {
		t.Errorf("%d entries came meanwhile, the test shows nothing", got-all)
	}
}

// TestAWishThatOlderReleasesTake: a node asks members of a release that knows no formats as well, which takes nothing else in the body.
func TestAWishThatOlderReleasesTake(t *testing.T) {
	wish := memberChange{Do: "join", ID: 4, Address: "127.0.0.1:7004", Incarnation: 9, Learner: true, Handed: true, Oldest: 1, Newest: 2}
	b, err := jsonx.Marshal(wish)
	if want := `{"do":"join","id":4,"address":"127.0.0.1:7004","incarnation":9,"learner":true,"handed":true}`; err != nil || string(b) != want {
		t.Errorf("%s, %v; want %s", b, err, want)
	}
	for _, formats := range [][2]uint64{{0, 0}, {1, 2}, {3, 7}} {
		wish, got := memberChange{Oldest: formats[0], Newest: formats[1]}, memberChange{}
		_, query, _ := strings.Cut(wish.query(), "?")
		if err := got.parseQuery(wire.ParseQuery(query)); err != nil || got != wish {
			t.Errorf("%q: %+v, %v", query, got, err)
		}
	}
	if err := new(memberChange).parseQuery(wire.ParseQuery("oldest_format=1")); err == nil {
		t.Error("half of a range is taken")
	}
}

// TestNodesThatMeet: nodes that are started alike, in any order, begin one cluster; a restart changes nothing; one
// that comes later joins; one that expects another number is not waited for.
func TestNodesThatMeet(t *testing.T) {
	m := &members{T: t, set: notes}
	var join []string
	for range 4 {
		join = append(join, freeAddr(t))
	}
	for i := range 4 {
		m.cfgs = append(m.cfgs, Config{Dir: t.TempDir(), NodeID: int64(i + 1), Cluster: "test", PeerAddr: join[i], Join: strings.Join(join, ","), BootstrapExpect: 3, ElectionTimeout: 200 * time.Millisecond})
		m.apps = append(m.apps, nil)
	}
	t.Cleanup(func() {
		for i := range m.apps {
			m.stop(i)
		}
	})
	other := m.cfgs[3]
	other.BootstrapExpect = 2
	var started sync.WaitGroup
	var up atomic.Int32
	for _, i := range []int{2, 1} {
		started.Go(func() { m.start(i); up.Add(1) })
	}
	for _, x := range []struct {
		cfg    Config
		within time.Duration
	}{{m.cfgs[0], 0}, {other, 300 * time.Millisecond}} { // one more, and one that expects other numbers: nothing begins with them
		ctx, cancel := context.WithTimeout(t.Context(), x.within)
		if err := newApp(t, x.cfg).Start(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a start that is given up: %v", err)
		}
		cancel()
	}
	if n := up.Load(); n > 0 {
		t.Errorf("%d nodes began without the third", n)
	}
	m.start(0)
	started.Wait()
	voters := func(want int) {
		t.Helper()
		m.await(fmt.Sprintf("%d nodes vote", want), func() bool {
			n := 0
			for _, x := range m.apps[m.leader()].cluster.Load().node.Status().Membership.Members {
				if x.Role == consensus.Voter {
					n++
				}
			}
			return n == want
		})
	}
	voters(3)
	m.insist(m.follower(), `{"text":"met"}`, "met")
	m.start(3) // it finds a cluster
	voters(4)
	m.stop(0)
	m.start(0)
	m.equal()
	if got := call(t, m.apps[0], "GET", "/api/notes", ""); !strings.Contains(got.body, "met") {
		t.Error(got.body)
	}
	for _, c := range []Config{{Cluster: "x", NodeID: 1, PeerAddr: "127.0.0.1:1", BootstrapExpect: 3}, {Cluster: "x", NodeID: 1, PeerAddr: "127.0.0.1:1", Join: "127.0.0.1:2", BootstrapExpect: -1}} {
		if err := newApp(t, c).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "bootstrap-expect:") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
