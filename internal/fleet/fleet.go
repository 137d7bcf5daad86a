package fleet

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// T is told what goes wrong. Fatalf ends the goroutine that calls it. *testing.T is a T.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
}

// Options say what a fleet is made of.
type Options struct {
	Nodes   int                // that begin the cluster
	Network *Network           // stands between them; nil: nothing does
	Dir     string             // where data and words of nodes are; default a temporary folder, which is removed where nothing failed
	Place   func(i int) string // where the data of a node is; nil: below Dir. Short: there is a socket in it
	Flags   []string           // of all nodes
}

// Fleet is some processes that are a cluster.
type Fleet struct {
	T
	Dir   string
	Peers string // as the flag -peers has them
	Nodes []*Node

	place func(i int) string
	flags []string
	http  *wire.Client
	kept  bool
}

// Node is one process.
type Node struct {
	URL, Dir string

	addr   string
	log    string // file with what it says
	flags  []string
	cmd    *exec.Cmd // nil: it does not run
	life   io.Closer // its standard input, with which it ends
	ended  chan error
	pid    atomic.Int64 // 0: it does not run
	starts atomic.Int64
}

// Running says whether it does.
func (n *Node) Running() bool { return n.cmd != nil }

// Pid is the number of the process, and starts how often it was started; 0 where it does not run. It may be called at any time.
func (n *Node) Pid() (pid int, starts int64) { return int(n.pid.Load()), n.starts.Load() }

// Ports are tried in turn from one at random on, so that nobody is given the same one twice.
var (
	firstPort  = rand.Uint32N(20000)
	portsTried atomic.Uint32
)

// FreeAddr finds an address that nobody listens on, below the ports that systems give out by
// themselves: there, somebody's connection could take it while its node is down.
func FreeAddr(t T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+(firstPort+portsTried.Add(1))%20000))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatalf("no port is free")
	return ""
}

// New prepares nodes that begin a cluster.
func New(t T, o Options) *Fleet {
	t.Helper()
	f := &Fleet{T: t, Dir: o.Dir, flags: o.Flags, place: o.Place, kept: o.Dir != ""}
	var err error
	if o.Dir == "" { // the folders of tests are too long for the operator's socket
		f.Dir, err = os.MkdirTemp("", "fleet")
	}
	if err == nil {
		f.http, err = wire.NewClient(wire.ClientConfig{})
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	if f.place == nil {
		f.place = func(i int) string { return filepath.Join(f.Dir, fmt.Sprint("node", i+1)) }
	}
	var at, list []string
	for range o.Nodes {
		at = append(at, FreeAddr(t))
	}
	public := at
	if o.Network != nil {
		public = o.Network.through(at)
	}
	for i := range o.Nodes {
		list = append(list, fmt.Sprintf("%d=%s", i+1, public[i]))
	}
	f.Peers = strings.Join(list, ",")
	for i := range o.Nodes {
		f.Add("-peer-addr", at[i], "-peers", f.Peers)
	}
	t.Cleanup(f.end)
	return f
}

// Add prepares one more node and returns its place among them.
func (f *Fleet) Add(flags ...string) int {
	i := len(f.Nodes)
	n := &Node{addr: FreeAddr(f.T), Dir: f.place(i), log: filepath.Join(f.Dir, fmt.Sprintf("node%d.log", i+1))}
	n.URL = "http://" + n.addr
	n.flags = append([]string{"-addr", n.addr, "-data", n.Dir, "-cluster", "test", "-node-id", fmt.Sprint(i + 1), "-request-timeout", "5s"}, append(flags, f.flags...)...)
	f.Nodes = append(f.Nodes, n)
	return i
}

// AddAlone prepares a node that stands alone, on a data directory that may hold something, and returns its place.
func (f *Fleet) AddAlone(dir string) int {
	i := len(f.Nodes)
	n := &Node{addr: FreeAddr(f.T), Dir: dir, log: filepath.Join(f.Dir, fmt.Sprintf("node%d.log", i+1))}
	n.URL = "http://" + n.addr
	n.flags = append([]string{"-addr", n.addr, "-data", dir}, f.flags...)
	f.Nodes = append(f.Nodes, n)
	return i
}

// Remove forgets the last node, which does not run.
func (f *Fleet) Remove() { f.Nodes = f.Nodes[:len(f.Nodes)-1] }

// StartAll starts all nodes and waits until one leads, which it returns.
func (f *Fleet) StartAll() int {
	f.Helper()
	for i := range f.Nodes {
		f.Start(i)
	}
	return f.Leader()
}

// Start starts a node.
func (f *Fleet) Start(i int) {
	f.Helper()
	n := f.Nodes[i]
	out, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.Fatalf("%v", err)
	}
	defer out.Close()
	self, err := os.Executable()
	if err != nil {
		f.Fatalf("%v", err)
	}
	n.cmd = exec.Command(self, n.flags...)
	n.cmd.Env = append(os.Environ(), asNode+"=1")
	n.cmd.Stdout, n.cmd.Stderr = out, out
	ownGroup(n.cmd)
	n.life, err = n.cmd.StdinPipe() // it ends with this process, and so does the node
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		n.cmd = nil
		f.Fatalf("%v", err)
	}
	n.starts.Add(1)
	n.pid.Store(int64(n.cmd.Process.Pid))
	n.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(n.cmd, n.ended)
}

// Kill ends a node as a crash does: it gets no word.
func (f *Fleet) Kill(i int) {
	f.Helper()
	n := f.Nodes[i]
	f.alive(i)
	n.pid.Store(0)
	if err := n.cmd.Process.Kill(); err != nil {
		f.Fatalf("%v", err)
	}
	<-n.ended // "signal: killed" is what was asked for
	n.cmd = nil
}

// Stop stops a node in its tracks (SIGSTOP), and Continue lets it go on.
func (f *Fleet) Stop(i int) { f.Helper(); f.signal(i, stop) }

// Continue lets a node go on that Stop has stopped.
func (f *Fleet) Continue(i int) { f.Helper(); f.signal(i, goOn) }

func (f *Fleet) signal(i int, send func(*os.Process) error) {
	f.Helper()
	if err := send(f.Nodes[i].cmd.Process); err != nil {
		f.Fatalf("%v", err)
	}
}

// alive fails when a node has ended that nobody has killed.
func (f *Fleet) alive(i int) {
	f.Helper()
	select {
	case err := <-f.Nodes[i].ended:
		f.Nodes[i].cmd = nil
		f.Nodes[i].pid.Store(0)
		f.Fatalf("node %d has ended by itself: %v\n%s", i+1, err, f.Words(i))
	default:
	}
}

// Words is the end of what a node said.
func (f *Fleet) Words(i int) string {
	b, err := os.ReadFile(f.Nodes[i].log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}

// end ends all nodes. A folder that was given stays.
func (f *Fleet) end() {
	for i, n := range f.Nodes {
		if n.cmd != nil {
			n.end()
		}
		if f.Failed() {
			f.Logf("node %d ends with\n%s", i+1, f.Words(i))
		}
	}
	err := f.http.Close()
	switch {
	case f.Failed():
		f.Logf("what is left is in %s", f.Dir)
	case !f.kept && err == nil:
		err = os.RemoveAll(f.Dir)
	}
	if err != nil {
		f.Errorf("%v", err)
	}
}

// endTime is what a node has to end by itself, when its standard input does, before it is killed.
const endTime = 5 * time.Second

// end ends a node at once, without an orderly stop, but so that the process can still leave its profile.
func (n *Node) end() {
	_, _ = goOn(n.cmd.Process), n.life.Close() // it may have ended by itself
	select {
	case <-n.ended:
	case <-time.After(endTime):
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}

// Info is what a node says of itself.
type Info struct {
	Leader uint64 `json:"leader_id"`
	Leads  bool   `json:"leader"`
	Seq    uint64 `json:"seq"`
	Hash   string `json:"state_hash"`
}

// Get is one read without a retry, of a path of a node.
func (f *Fleet) Get(i int, path string, within time.Duration) Answer {
	return do(f.http, within, &wire.ClientRequest{URL: f.Nodes[i].URL + path})
}

// Ask asks a node for its Info.
func (f *Fleet) Ask(i int) (n Info, ok bool) {
	a := f.Get(i, "/info", time.Second)
	return n, a.Err == nil && a.Status == 200 && jsonx.Unmarshal(a.Body, &n) == nil
}

// Patience bounds how long what must come is waited for.
const Patience = 60 * time.Second

// Await waits until ok says so.
func (f *Fleet) Await(what string, ok func() bool) {
	f.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		for i, n := range f.Nodes {
			if n.cmd != nil {
				f.alive(i)
			}
		}
		if time.Now().After(end) {
			for i := range f.Nodes {
				n, ok := f.Ask(i)
				f.Logf("node %d: %+v %v", i+1, n, ok)
			}
			f.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

// Leader waits until a node leads.
func (f *Fleet) Leader() (at int) {
	f.Helper()
	f.Await("a node leads", func() bool {
		for i, n := range f.Nodes {
			if n.cmd == nil {
				continue
			}
			if n, ok := f.Ask(i); ok && n.Leads && n.Leader == uint64(i+1) {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

// Equal waits until all nodes that run are at one sequence, and holds their hashes against each other.
func (f *Fleet) Equal() Info {
	f.Helper()
	var first Info
	f.Await("all nodes come to one sequence", func() bool {
		first = Info{}
		for i, p := range f.Nodes {
			if p.cmd == nil {
				continue
			}
			n, ok := f.Ask(i)
			switch {
			case !ok || n.Hash == "": // it does not answer, or is starting
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

// Put writes a register through a node, again until it is acknowledged.
func (f *Fleet) Put(through int, name string) {
	f.Helper()
	body := fmt.Sprintf(`{"op":%q,"register":%q,"arg":7,"old":0}`, name, name)
	f.Await("a write through node "+fmt.Sprint(through+1), func() bool {
		a := do(f.http, 6*time.Second, &wire.ClientRequest{Method: "POST", URL: f.Nodes[through].URL + "/api/_command/put", Body: strings.NewReader(body),
			Header: [][2]string{{"Content-Type", "application/json"}, {"Idempotency-Key", name}}})
		return a.Err == nil && a.Status == 200
	})
}

// Sweep removes all registers, and the marks of changes to them, once they are judged.
func (f *Fleet) Sweep(through int) {
	f.Helper()
	f.Await("registers are removed", func() bool {
		a := do(f.http, 6*time.Second, &wire.ClientRequest{Method: "POST", URL: f.Nodes[through].URL + "/api/_command/sweep", Body: strings.NewReader(`{"most":1000}`),
			Header: [][2]string{{"Content-Type", "application/json"}}})
		var out Swept
		return a.Err == nil && a.Status == 200 && jsonx.Unmarshal(a.Body, &out) == nil && out.Left == 0
	})
}

// Figure reads one of a node's figures; empty where there is none of that name.
func (f *Fleet) Figure(i int, name string) string {
	a := f.Get(i, "/metrics", 5*time.Second)
	for line := range strings.Lines(string(a.Body)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
