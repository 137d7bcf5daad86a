package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// fleet is some processes of one program that are a cluster.
type fleet struct {
	program string
	peers   string
	secret  string
	nodes   []*process
	client  *wire.Client
}

// process is one node.
type process struct {
	url, addr, dir string
	cmd            *exec.Cmd  // nil: it does not run
	ended          chan error // gets how it ended, once
}

// newFleet builds the blog and chooses addresses for n nodes.
func newFleet(ctx context.Context, dir string, n int) (*fleet, error) {
	f := &fleet{program: filepath.Join(dir, "blog"), secret: filepath.Join(dir, "secret")}
	build := exec.CommandContext(ctx, "go", "build", "-o", f.program, "github.com/lithair/lithair-go/examples/blog")
	if b, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the blog: %w\n%s", err, b)
	}
	if err := os.WriteFile(f.secret, []byte("only for this demonstration\n"), 0o600); err != nil {
		return nil, err
	}
	var err error
	if f.client, err = wire.NewClient(wire.ClientConfig{HeadTimeout: 15 * time.Second}); err != nil {
		return nil, err
	}
	var peers []string
	for i := range n {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		peer, err := freeAddr()
		if err != nil {
			return nil, err
		}
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, peer))
		f.nodes = append(f.nodes, &process{url: "http://" + addr, addr: addr, dir: filepath.Join(dir, fmt.Sprint("node", i+1))})
	}
	f.peers = strings.Join(peers, ",")
	return f, nil
}

// Ports are tried in turn from one at random on, so that nobody is given the same one twice.
var (
	firstPort  = rand.Uint32N(20000)
	portsTried atomic.Uint32
)

// freeAddr finds an address that nobody listens on, below the ports that systems give out by
// themselves: there, somebody's connection could take it while its node is down.
func freeAddr() (string, error) {
	var l net.Listener
	var err error
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+(firstPort+portsTried.Add(1))%20000)); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// start starts a node; what it says goes to a file beside its data.
func (f *fleet) start(i int) error {
	p := f.nodes[i]
	log, err := os.OpenFile(p.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(f.program, "-addr", p.addr, "-data", p.dir, "-node-id", fmt.Sprint(i+1), "-cluster", "demonstration",
		"-peers", f.peers, "-cluster-secret-file", f.secret, "-request-timeout", "10s")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return errors.Join(err, log.Close())
	}
	p.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(p.cmd, p.ended)
	return log.Close() // the process has it
}

// alive is an error when a node has ended that nobody has killed.
func (f *fleet) alive() error {
	for i, p := range f.nodes {
		if p.cmd == nil {
			continue
		}
		select {
		case err := <-p.ended:
			p.cmd = nil
			return errors.Join(fmt.Errorf("node %d has ended by itself: %w", i+1, cmp.Or(err, errors.New("without an error"))), p.lastWords())
		default:
		}
	}
	return nil
}

// lastWords is the end of what a node said, as an error.
func (p *process) lastWords() error {
	b, err := os.ReadFile(p.dir + ".log")
	if err != nil {
		return err
	}
	return fmt.Errorf("%s.log ends with\n%s", p.dir, b[max(0, len(b)-2000):])
}

// kill ends a node as a crash does: it gets no word.
func (f *fleet) kill(i int) error {
	p := f.nodes[i]
	err := f.alive()
	if p.cmd == nil {
		return err
	}
	err = errors.Join(err, p.cmd.Process.Kill())
	<-p.ended // "signal: killed" is what was asked for
	p.cmd = nil
	return err
}

func (f *fleet) stop() (err error) {
	for i := range f.nodes {
		err = errors.Join(err, f.kill(i))
	}
	return errors.Join(err, f.client.Close())
}

// info is what a node says of itself.
type info struct {
	Role   string `json:"role"`
	Leader uint64 `json:"leader_id"`
	Leads  bool   `json:"leader"`
	Term   uint64 `json:"term"`
	Seq    uint64 `json:"seq"`
	Hash   string `json:"state_hash"`
}

// ask has a node tell about itself.
func (f *fleet) ask(ctx context.Context, i int) (n info, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	b, err := f.get(ctx, f.nodes[i].url+"/info")
	if err != nil {
		return n, err
	}
	return n, jsonx.Unmarshal(b, &n)
}

// get returns the content at a URL; a status other than 200 is an error.
func (f *fleet) get(ctx context.Context, url string) ([]byte, error) {
	r, err := f.client.Get(ctx, url)
	if err != nil {
		return nil, err
	}
	b, err := r.ReadAll(16 << 20)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if r.StatusCode() != 200 {
		return nil, fmt.Errorf("%s answers %d: %.200s", url, r.StatusCode(), b)
	}
	return b, nil
}

// leader waits until a node leads.
func (f *fleet) leader(ctx context.Context) (int, error) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
		if err := f.alive(); err != nil {
			return 0, err
		}
		for i := range f.nodes {
			if n, err := f.ask(ctx, i); err == nil && n.Leads && n.Leader == uint64(i+1) {
				return i, nil
			}
		}
	}
	err := errors.New("no node leads for 30 seconds")
	for i := range f.nodes {
		n, failed := f.ask(ctx, i)
		err = errors.Join(err, fmt.Errorf("node %d: %+v, %v", i+1, n, failed))
	}
	return 0, errors.Join(err, ctx.Err())
}
