package lithair

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestFileForAFullDisk: a node that has no room for a file which it would have to fetch says so; others serve it.
func TestFileForAFullDisk(t *testing.T) {
	t.Parallel()
	sims := map[int64]*disk.Sim{}
	m := startCluster(t, 3, func(a *App) { Model[photo](a, "/api/photos") }, func(c *Config) {
		sims[c.NodeID] = disk.NewSim(uint64(c.NodeID))
		c.FS, c.Dir = sims[c.NodeID], "data"
	})
	m.leader()
	full := m.follower()
	sims[int64(full+1)].Hook(func(op disk.Op, name string) error {
		if op == disk.OpWrite && strings.Contains(name, "blobs/") {
			return syscall.ENOSPC
		}
		return nil
	})
	at := (full + 1) % 3
	var b Blob
	res := send(t, m.apps[at], "POST", "/api/_blobs", "image/png", []byte("a picture"))
	if err := json.Unmarshal([]byte(res.body), &b); err != nil || res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	res = call(t, m.apps[at], "POST", "/api/photos", fmt.Sprintf(`{"title":"x","image":{"id":%q}}`, b.ID))
	if res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	m.equal()
	image := res.Header.Get("Location") + "/image"
	if got := call(t, m.apps[full], "GET", image, ""); got.StatusCode != 507 || !strings.Contains(got.body, "LTH1031") {
		t.Errorf("a node without room for the file: %d %s", got.StatusCode, got.body)
	}
	if got := call(t, m.apps[at], "GET", image, ""); got.StatusCode != 200 || got.body != "a picture" {
		t.Errorf("another node: %d %s", got.StatusCode, got.body)
	}
	sims[int64(full+1)].Hook(nil)
	await(t, "with room, the node has the file", func() bool { return call(t, m.apps[full], "GET", image, "").StatusCode == 200 })
}

// TestFilesFollow: a file is on a majority of the voters when its upload is acknowledged, is read through every node, is
// named by a record after its uploader is gone, and comes to a node that joins; one that nobody has cannot be named, and
// without a majority none is taken.
func TestFilesFollow(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 3, func(a *App) { Model[photo](a, "/api/photos") }, func(c *Config) { c.MaxBlobBytes = 8 << 20 })
	content := bytes.Repeat([]byte("a picture "), 300_000) // more than a request that is kept to be sent again
	upload := func(a *App, what []byte) Blob {
		t.Helper()
		res := send(t, a, "POST", "/api/_blobs", "image/png", what)
		var b Blob
		if err := json.Unmarshal([]byte(res.body), &b); err != nil || res.StatusCode != 201 {
			t.Fatalf("%d %s", res.StatusCode, res.body)
		}
		return b
	}
	holders := func(b Blob) (n int) {
		for _, a := range m.apps {
			if a != nil && a.blobs.Load().Has(b.ID) {
				n++
			}
		}
		return n
	}
	record := func(a *App, id string) answer {
		t.Helper()
		var res answer
		await(t, "a record is made or refused", func() bool {
			res = call(t, a, "POST", "/api/photos", fmt.Sprintf(`{"title":"x","image":{"id":%q}}`, id))
			return res.StatusCode != 503
		})
		return res
	}
	b := upload(m.apps[m.follower()], content)
	if n := holders(b); n < 2 {
		t.Errorf("an acknowledged file is on %d nodes", n)
	}
	res := record(m.apps[m.follower()], b.ID)
	if res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	m.equal()
	for i, a := range m.apps {
		if got := call(t, a, "GET", res.Header.Get("Location")+"/image", ""); got.StatusCode != 200 || got.body != string(content) {
			t.Errorf("node %d: %d with %d bytes", i+1, got.StatusCode, len(got.body))
		}
	}
	for _, c := range []struct {
		query, level string
		status       int
	}{{"", "weak", 200}, {"?level=linearizable", "linearizable", 200}, {"?level=none", "none", 200}, {"?level=some", "", 400}, {"?min_index=9999999", "none", 412}, {"?at=1", "", 404}} {
		got := call(t, m.apps[m.follower()], "GET", res.Header.Get("Location")+"/image"+c.query, "")
		if got.StatusCode != c.status || got.Header.Get("Lithair-Level") != c.level {
			t.Errorf("%q on a node that follows: %d at level %q, want %d at %q", c.query, got.StatusCode, got.Header.Get("Lithair-Level"), c.status, c.level)
		}
	}
	if got := record(m.apps[m.follower()], strings.Repeat("a", 64)); got.StatusCode != 422 {
		t.Errorf("a file that nobody has is named: %d %s", got.StatusCode, got.body)
	}

	// One that lacks a file leads when a record is to name it.
	lead, other := m.leader(), m.follower()
	ref, err := m.apps[lead].blobs.Load().Put(strings.NewReader("only where it was put"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.apps[lead].change(t.Context(), m.apps[lead].cluster.Load(), memberChange{Do: "transfer", ID: uint64(other + 1)}); err != nil {
		t.Fatal(err)
	}
	if got := record(m.apps[lead], ref.Hash); got.StatusCode != 201 {
		t.Errorf("the new leader does not fetch a file: %d %s", got.StatusCode, got.body)
	}

	cfg := m.cfgs[0]
	cfg.Dir, cfg.NodeID, cfg.Peers, cfg.PeerAddr, cfg.Join = t.TempDir(), 4, "", freeAddr(t), m.apps[0].cluster.Load().cfg.listen
	m.cfgs, m.apps = append(m.cfgs, cfg), append(m.apps, nil)
	m.start(3)
	m.memberOf(4, consensus.Voter)
	await(t, "the new node has both files", func() bool { return m.apps[3].blobs.Load().Has(b.ID) && m.apps[3].blobs.Load().Has(ref.Hash) })
	m.equal()
	keep := m.leader()
	for i := range m.apps {
		if i != keep {
			m.stop(i)
		}
	}
	m.apps[keep].cfg.RequestTimeout = 300 * time.Millisecond
	if _, err := m.apps[keep].PutBlob(strings.NewReader("alone"), "x", "text/plain"); err == nil || !strings.Contains(err.Error(), "must be on 3") {
		t.Errorf("a file without a majority: %v", err)
	}
}

// TestDamagedFileHoldsUpNoOther: the first file of a node's list is damaged there, and nobody else has it; a
// node that lacks all of them gets the others, and says which did not come.
func TestDamagedFileHoldsUpNoOther(t *testing.T) {
	m := startCluster(t, 3, func(a *App) { Model[photo](a, "/api/photos") })
	odd, lacks := m.follower(), m.leader() // nobody fetches from a follower unasked
	damaged := strings.Repeat("0", 64)
	m.stop(odd)
	dir := filepath.Join(m.cfgs[odd].Dir, "blobs", "00")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, damaged), []byte("something else"), 0o600)); err != nil {
		t.Fatal(err)
	}
	m.start(odd)
	sound := []string{}
	for i := range 5 {
		ref, err := m.apps[odd].blobs.Load().Put(strings.NewReader(fmt.Sprintf("picture %d", i)))
		if err != nil {
			t.Fatal(err)
		}
		sound = append(sound, ref.Hash)
	}
	a := m.apps[lacks]
	got, err := a.compareBlobs(t.Context(), a.cluster.Load(), m.apps[odd].cluster.Load().cfg.id)
	if err == nil || !strings.Contains(err.Error(), damaged) || got != len(sound) {
		t.Errorf("%d files came, error %v", got, err)
	}
	if a.blobs.Load().Has(damaged) {
		t.Error("a damaged file is taken")
	}
	for _, hash := range sound {
		if !a.blobs.Load().Has(hash) {
			t.Errorf("file %s is not there", hash)
		}
	}
}

// TestMajorityOfHalves: while voters change, a file that is on most of all of them may be on one of the old ones alone.
func TestMajorityOfHalves(t *testing.T) {
	of := func(roles ...consensus.Role) (m consensus.Membership) {
		for i, r := range roles {
			m.Members = append(m.Members, consensus.Member{ID: consensus.NodeID(i + 1), Role: r})
		}
		return m
	}
	const learner, voter, incoming, outgoing, demoted = consensus.Learner, consensus.Voter, consensus.Incoming, consensus.Outgoing, consensus.Demoted
	for _, c := range []struct {
		m     consensus.Membership
		holds []consensus.NodeID
		want  bool
	}{
		{of(voter), []consensus.NodeID{1}, true},
		{of(voter, voter), []consensus.NodeID{1}, false},
		{of(voter, voter, voter), []consensus.NodeID{1, 3}, true},
		{of(voter, learner, learner, voter, voter), []consensus.NodeID{1, 2, 3}, false},
		{of(voter, outgoing, demoted, incoming, incoming), []consensus.NodeID{1, 4, 5}, false},
		{of(voter, outgoing, demoted, incoming, incoming), []consensus.NodeID{1, 2, 3}, false},
		{of(voter, outgoing, demoted, incoming, incoming), []consensus.NodeID{1, 3, 5}, true},
	} {
		holds := map[consensus.NodeID]bool{}
		for _, id := range c.holds {
			holds[id] = true
		}
		if got := majority(c.m, holds); got != c.want {
			t.Errorf("%v of %v: %v", c.holds, c.m.Members, got)
		}
	}
}
