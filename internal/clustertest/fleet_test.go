package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fleet is some processes that are a cluster.
type fleet struct {
	*testing.T
	dir   string
	peers string
	flags []string // of all nodes
	nodes []*process
}

// process is one node.
type process struct {
	url, addr, dir string
	flags          []string
	cmd            *exec.Cmd // nil: it does not run
	ended          chan error
}

// freeAddr finds an address that nobody listens on, below the ports that systems give out by
// themselves: there, somebody's connection could take it while its node is down.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+rand.IntN(20000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// newFleet prepares n nodes that begin a cluster; through, when set, stands between them: it is given
// where each listens and returns where others find it.
func newFleet(t *testing.T, n int, through func(real []string) []string, flags ...string) *fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "clustertest") // t.TempDir is too long for the operator's socket
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{T: t, dir: dir, flags: flags}
	var at, list []string
	for range n {
		at = append(at, freeAddr(t))
	}
	public := at
	if through != nil {
		public = through(at)
	}
	for i := range n {
		list = append(list, fmt.Sprintf("%d=%s", i+1, public[i]))
	}
	f.peers = strings.Join(list, ",")
	for i := range n {
		f.add("-peer-addr", at[i], "-peers", f.peers)
	}
	t.Cleanup(f.end)
	return f
}

// add prepares one more node and returns it.
func (f *fleet) add(flags ...string) int {
	i := len(f.nodes)
	p := &process{addr: freeAddr(f.T), dir: filepath.Join(f.dir, fmt.Sprint("node", i+1))}
	p.url = "http://" + p.addr
	p.flags = append([]string{"-addr", p.addr, "-data", p.dir, "-cluster", "test", "-node-id", fmt.Sprint(i + 1), "-request-timeout", "5s"}, append(flags, f.flags...)...)
	f.nodes = append(f.nodes, p)
	return i
}

func (f *fleet) start(i int) {
	f.Helper()
	p := f.nodes[i]
	out, err := os.OpenFile(p.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(os.Args[0], p.flags...)
	p.cmd.Env = append(os.Environ(), asNode+"=1")
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		f.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(p.cmd, p.ended)
}

// kill ends a node as a crash does: it gets no word.
func (f *fleet) kill(i int) {
	f.Helper()
	p := f.nodes[i]
	f.alive(i)
	if err := p.cmd.Process.Kill(); err != nil {
		f.Fatal(err)
	}
	<-p.ended // "signal: killed" is what was asked for
	p.cmd = nil
}

// signal stops a node in its tracks (SIGSTOP), or lets it go on (SIGCONT).
func (f *fleet) signal(i int, s syscall.Signal) {
	f.Helper()
	if err := f.nodes[i].cmd.Process.Signal(s); err != nil {
		f.Fatal(err)
	}
}

// alive fails when a node has ended that nobody has killed.
func (f *fleet) alive(i int) {
	f.Helper()
	select {
	case err := <-f.nodes[i].ended:
		f.nodes[i].cmd = nil
		f.Fatalf("node %d has ended by itself: %v\n%s", i+1, err, f.words(i))
	default:
	}
}

// words is the end of what a node said.
func (f *fleet) words(i int) string {
	b, err := os.ReadFile(f.nodes[i].dir + ".log")
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}

func (f *fleet) end() {
	for i, p := range f.nodes {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill() // it may have ended by itself
			<-p.ended
		}
		if f.Failed() {
			f.Logf("node %d ends with\n%s", i+1, f.words(i))
		}
	}
	if f.Failed() {
		f.Logf("what is left is in %s", f.dir)
		return
	}
	if err := os.RemoveAll(f.dir); err != nil {
		f.Error(err)
	}
}

// info is what a node says of itself.
type info struct {
	Leader uint64 `json:"leader_id"`
	Leads  bool   `json:"leader"`
	Seq    uint64 `json:"seq"`
	Hash   string `json:"state_hash"`
}

// get is one read without a retry.
func get(url string, within time.Duration) (status int, body []byte, header http.Header, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil, nil, err
	}
	defer r.Body.Close()
	body, err = io.ReadAll(r.Body)
	return r.StatusCode, body, r.Header, err
}

func (f *fleet) ask(i int) (n info, ok bool) {
	status, b, _, err := get(f.nodes[i].url+"/info", time.Second)
	return n, err == nil && status == 200 && json.Unmarshal(b, &n) == nil
}

// patience bounds how long what must come is waited for.
const patience = 60 * time.Second

// await waits until ok says so.
func (f *fleet) await(what string, ok func() bool) {
	f.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		for i, p := range f.nodes {
			if p.cmd != nil {
				f.alive(i)
			}
		}
		if time.Now().After(end) {
			for i := range f.nodes {
				n, ok := f.ask(i)
				f.Logf("node %d: %+v %v", i+1, n, ok)
			}
			f.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// leader waits until a node leads.
func (f *fleet) leader() (at int) {
	f.Helper()
	f.await("a node leads", func() bool {
		for i, p := range f.nodes {
			if p.cmd == nil {
				continue
			}
			if n, ok := f.ask(i); ok && n.Leads && n.Leader == uint64(i+1) {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

// equal waits until all nodes that run are at one sequence, and holds their hashes against each other.
func (f *fleet) equal() info {
	f.Helper()
	var first info
	f.await("all nodes come to one sequence", func() bool {
		first = info{}
		for i, p := range f.nodes {
			if p.cmd == nil {
				continue
			}
			n, ok := f.ask(i)
			switch {
			case !ok:
				return false
			case first.Hash == "":
				first = n
			case n.Seq != first.Seq:
				return false
			case n.Hash != first.Hash:
				f.Fatalf("node %d differs at sequence %d: state hash %s, not %s", i+1, n.Seq, n.Hash, first.Hash)
			}
		}
		return first.Hash != ""
	})
	return first
}
