package lithairtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// Cluster is nodes of one application in one process. They speak over loopback, by the
// machine's clock.
type Cluster struct {
	Nodes []*App // by number of the node, from 0; a node that was stopped has no App in it

	t testing.TB
}

// StartCluster starts n nodes, three as a rule; o.Dir, if any, holds a folder for each.
func StartCluster(t testing.TB, n int, create Make, o Options) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("for a test on loopback alone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var peers []string
	for i := range n {
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, freeAddr(t)))
	}
	for i := range n {
		node := o
		node.Port, node.RealClock = true, true
		if o.Dir != "" {
			node.Dir = filepath.Join(o.Dir, fmt.Sprint("node", i+1))
		}
		node.Configure = func(cfg *lithair.Config) {
			cfg.NodeID, cfg.Cluster, cfg.Peers, cfg.ClusterSecretFile = int64(i+1), "lithairtest", strings.Join(peers, ","), secret
			cfg.ElectionTimeout = 200 * time.Millisecond
			if o.Configure != nil {
				o.Configure(cfg)
			}
		}
		c.Nodes = append(c.Nodes, prepare(t, create, node))
	}
	for _, a := range c.Nodes {
		a.begin()
	}
	return c
}

// Ports are tried in turn from one at random on, so that nobody is given the same one twice.
var (
	firstPort  = rand.Uint32N(20000)
	portsTried atomic.Uint32
)

// freeAddr finds a port below those that systems give out by themselves: there, somebody's
// connection would take it soon.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+(firstPort+portsTried.Add(1))%20000))
		if err != nil {
			continue
		}
		addr := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no port is free")
	return ""
}

// Leader waits for a node that leads, and returns it.
func (c *Cluster) Leader() *App {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, a := range c.Nodes {
			if a.App != nil && a.Do("GET", "/ready", "").Status == 200 && c.leads(a) {
				return a
			}
		}
	}
	c.t.Fatal("no node leads after 30 s")
	return nil
}

// leads says that a node takes transactions itself.
func (c *Cluster) leads(a *App) bool {
	return a.Update(c.t.Context(), func(*lithair.Tx) error { return nil }) == nil
}

// Follower returns a running node that does not lead.
func (c *Cluster) Follower() *App {
	c.t.Helper()
	leader := c.Leader()
	for _, a := range c.Nodes {
		if a != leader && a.App != nil {
			return a
		}
	}
	c.t.Fatal("no node follows")
	return nil
}
