package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/wire"
)

// runServe is the target of outside tools.
func runServe(args []string) error {
	fs := flag.NewFlagSet("bench serve", flag.ExitOnError)
	addr := fs.String("addr", "127.0.0.1:9000", "address to listen on")
	profile := fs.String("profile", "cases", `what to serve:
cases  /echo /empty /notmod /stream /drop and a mirror of the request elsewhere;
       /plaintext, /json?bytes=N, /bytes?n=N; /ws (WebSocket echo)
peers  /plain, /json, /echo; / (WebSocket echo, what begins with B to all); ends with its standard input
app    /items, durable, and rooms bench/{room}; ends with its standard input where that is a pipe`)
	data := fs.String("data", "", "folder of the app profile; default a fresh temporary one")
	var place member
	fs.Int64Var(&place.id, "node-id", 0, "number of the app profile's node in a cluster; 0: it stands alone")
	fs.StringVar(&place.peers, "peers", "", "with -node-id: all nodes of the cluster, ID=HOST:PORT each, separated by commas")
	cpu := fs.String("cpuprofile", "", "write a CPU profile into this `FILE`")
	parse(fs, args)
	stop, err := profileCPU(*cpu)
	if err != nil {
		return err
	}
	return errors.Join(serveProfile(*profile, *addr, *data, place), stop())
}

// member is a node's place in a cluster.
type member struct {
	id    int64
	peers string
}

// serveProfile serves until it is interrupted or, what is driven by another program, its standard input ends.
func serveProfile(profile, addr, data string, place member) error {
	switch profile {
	case "cases":
		echo, err := echoHandler(false)
		if err != nil {
			return err
		}
		return serveWire(addr, nil, func(w *wire.Response, r *wire.Request) error {
			if r.Path() == "/ws" {
				return echo(w, r)
			}
			return casesHandler(w, r)
		})
	case "peers":
		h, err := peersHandler()
		if err != nil {
			return err
		}
		return serveWire(addr, inputEnds(), h)
	case "app":
		st, err := os.Stdin.Stat()
		return serveApp(addr, data, place, err == nil && st.Mode()&os.ModeNamedPipe != 0)
	}
	return fmt.Errorf("no such profile: %s (cases, peers, app)", profile)
}

// interrupted ends with the first SIGINT or SIGTERM.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// inputEnds is closed when standard input ends: whoever started this has gone.
func inputEnds() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin) // an error is an end, too
		close(ended)
	}()
	return ended
}

// serveWire serves one handler until it is interrupted or told.
func serveWire(addr string, told <-chan struct{}, h wire.Handler) error {
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ctx, stop := interrupted()
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	fmt.Printf("listening on http://%s\n", l.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	case <-told:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

// serveApp serves /items from a data folder until it is interrupted or, when
// untilInputEnds is set, its standard input ends; then it shuts down cleanly.
func serveApp(addr, dir string, place member, untilInputEnds bool) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "lithair-bench-app"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	cfg := lithair.Config{Name: "bench", Addr: addr, Dir: dir, LogLevel: "warn"}
	if place.id > 0 {
		cfg.Cluster, cfg.NodeID, cfg.Peers = "bench", place.id, place.peers
		cfg.LogLevel = "error" // that the others start and end is no news
	}
	app := lithair.New(cfg)
	lithair.Model[Item](app, "/items")
	lithair.Room(app, "bench/{room}", lithair.RoomOptions{})
	ctx, stop := interrupted()
	defer stop()
	var told <-chan struct{}
	if untilInputEnds {
		told = inputEnds()
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	fmt.Printf("listening on http://%s, data in %s\n", app.Addr(), dir)
	select {
	case <-ctx.Done():
	case <-told:
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return app.Shutdown(end)
}
