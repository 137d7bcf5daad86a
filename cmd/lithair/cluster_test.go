package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	framework "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/cli"
)

// TestClusterCommands: on a cluster of one, and on what is none.
func TestClusterCommands(t *testing.T) {
	const peer = "127.0.0.1:17801"     // below the ports that systems give out by themselves
	dir, err := os.MkdirTemp("", "lt") // a socket's path is short
	must(t, err)
	defer os.RemoveAll(dir)
	app := framework.New(framework.Config{Dir: dir, Addr: "127.0.0.1:0", Cluster: "towns", NodeID: 1, PeerAddr: peer, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	framework.Model[town](app, "/towns")
	must(t, app.Start(t.Context()))
	defer func() { must(t, app.Shutdown(context.Background())) }()
	secret := filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"cluster status -dir " + dir, 0, "cluster towns: node 1 leads in term 1; 1 voters, 1 of them are needed for a write"},
		{"cluster status -json -dir " + dir, 0, `"quorum":1`},
		{"cluster add 2 10.0.0.2:7001 -dir " + dir, 0, "-cluster towns -node-id 2 -peer-addr 10.0.0.2:7001 -join " + peer},
		{"cluster add 1 10.0.0.2:7001 -dir " + dir, cli.CodeLocked, "a member already"},
		{"cluster add 2 nowhere -dir " + dir, cli.CodeUsage, "HOST:PORT"},
		{"cluster remove 1 -yes -dir " + dir, cli.CodeLocked, "without node 1 the cluster has no voter"},
		{"cluster remove 7 -yes -dir " + dir, cli.CodeNotFound, "not a member"},
		{"cluster promote 1 -dir " + dir, cli.CodeLocked, "is a voter, not a learner"},
		{"cluster transfer 1 -dir " + dir, 0, "node 1 leads"},
		{"cluster transfer one -dir " + dir, cli.CodeUsage, "no number"},
		{"cluster status", cli.CodeUsage, "-dir is required"},
		{"cluster reseed -yes -dir " + dir, cli.CodeLocked, "stop the application first"},
		{"cluster reseed -yes", cli.CodeUsage, "-dir is required"},
		{"cluster status -dir " + t.TempDir(), cli.CodeUnreachable, "no application answers"},
		{"cluster add 2 10.0.0.2:7001 -json -dir " + dir, 0, `"node":2`},
		{"cluster members -dir " + dir, 0, "1     voter   " + peer},
		{"cluster members -json -dir " + dir, 0, `"member":"voter"`},
		{"cluster hash -dir " + dir, 0, "all members have the same"},
		{"cluster verify -dir " + dir, 0, "CHAIN"},
		{"cluster verify -json -dir " + dir, 0, `"agree":true`},
		{"cluster verify -dir " + t.TempDir(), cli.CodeUnreachable, "no application answers"},
		{"cluster join-token -dir " + dir, 0, "./APP -join-token-file node2.token"},
		{"cluster join-token -json -dir " + dir, 0, `"node":3`},
		{"cluster join-token -valid 1000h -dir " + dir, cli.CodeFailed, "a token is good for"},
		{"cluster join-token -o " + secret + ".token -dir " + dir, 0, secret + ".token"},
		{"cluster join-token -o " + secret + ".token -dir " + dir, cli.CodeLocked, "exists"},
		{"cluster recover other 127.0.0.1:7009 -yes -dir " + dir, cli.CodeLocked, "stop the application first"},
		{"cluster recover other 127.0.0.1:7009 -yes -dir " + t.TempDir(), cli.CodeNotFound, "nothing to recover"},
		{"cluster recover other nowhere -yes -dir " + dir, cli.CodeUsage, "HOST:PORT"},
		{"cluster recover other 127.0.0.1:7009 -json -dir " + dir, cli.CodeUsage, "-yes or -dry-run"},
		{"cluster recover other 127.0.0.1:7009", cli.CodeUsage, "-dir is required"},
		{"cluster init towns a:1,b:2 -json -secret " + secret, 0, `"secret_file"`},
		{"cluster init towns a:1,b:2 -secret " + secret, 0, "The secret that was there is kept"},
		{"cluster init towns a:1,b:2 -secret " + secret + ".new", 0, "The new secret is in"},
		{"cluster init towns a:1,a:1 -secret " + secret, cli.CodeUsage, "a:1 is there twice"},
		{"cluster init towns :1 -secret " + secret, cli.CodeUsage, "HOST:PORT"},
		{"cluster init my$towns a:1 -secret " + secret, cli.CodeUsage, "a command line cannot hold"},
		{"cluster init towns a:1,b:2 -secret " + secret, 0, "-node-id 2 -peers 1=a:1,2=b:2"},
		{"cluster init towns a -secret " + secret, cli.CodeUsage, "HOST:PORT"},
	} {
		code, out, errs := lithair("", strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", c.args, code, c.code, c.says, out, errs)
		}
	}
	b, err := os.ReadFile(secret)
	if err != nil || len(b) < 20 {
		t.Errorf("the secret is %q: %v", b, err)
	}
}

// TestClusterRecover: what may be lost is said, the name is asked for, and the directory is that of a new cluster.
func TestClusterRecover(t *testing.T) {
	dir := t.TempDir()
	app := framework.New(framework.Config{Dir: dir, Addr: "127.0.0.1:0", Cluster: "towns", NodeID: 1, PeerAddr: "127.0.0.1:17802", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	framework.Model[town](app, "/towns")
	must(t, app.Start(t.Context()))
	must(t, app.Shutdown(context.Background()))
	args := strings.Fields("cluster recover towns2 127.0.0.1:17802 -dir " + dir)
	for _, c := range []struct {
		in   string
		more string
		code int
		says string
	}{
		{"", "-dry-run", 0, "LOST: whatever the others acknowledged behind that"},
		{"", "-dry-run -json", 0, `"members":[1]`},
		{"yes\n", "", cli.CodeFailed, "nothing was changed"},
		{"towns2\n", "", 0, "-cluster towns2 -node-id 1"},
		{"", "-yes", cli.CodeLocked, "under another name"},
	} {
		code, out, errs := lithair(c.in, append(args, strings.Fields(c.more)...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%q %s: exit %d, want %d with %q\n%s%s", c.in, c.more, code, c.code, c.says, out, errs)
		}
	}
}
