package lithair

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/devpage"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
)

// Exit codes of Run.
const (
	exitFailed = 1  // something went wrong
	exitUsage  = 2  // wrong flags or settings
	exitForced = 3  // the second signal
	exitConfig = 78 // configuration or data do not let it start: restarting does not help
)

// The kinds of a startError.
const (
	startConfig = iota // models, tags, patterns, settings
	startListen
	startData
)

// startError is why an application could not start.
type startError struct {
	err    error
	kind   int
	addr   string
	flag   string // that sets addr; empty: -addr
	dir    string
	name   string // of the program
	member bool   // of a cluster, whose other nodes have what is missing
}

// Error says what happened and what to do.
func (e *startError) Error() string {
	var locked *disk.LockedError
	var corrupt *eventlog.CorruptError
	var tag *model.TagError
	switch {
	case errors.As(e.err, &tag):
		return e.err.Error()
	case e.kind == startListen && errors.Is(e.err, syscall.EADDRINUSE):
		return fmt.Sprintf("address %s is in use%s; choose another, such as %s %s", e.addr, holder(e.addr), cmp.Or(e.flag, "-addr"), otherPort(e.addr))
	case e.kind == startListen:
		return fmt.Sprintf("cannot listen on %s: %v", e.addr, e.err)
	case errors.As(e.err, &locked):
		who := "another process"
		if locked.PID > 0 {
			who = fmt.Sprintf("process %d", locked.PID)
		}
		return fmt.Sprintf("data directory %s is in use by %s; stop that, or choose another with -data", e.dir, who)
	case e.member && (errors.As(e.err, &corrupt) || errors.Is(e.err, node.ErrMissing)):
		return fmt.Sprintf("what data directory %s holds is damaged: %v. Start this node again: it fetches what is damaged from the other nodes. If it cannot, run lithair cluster reseed -dir %s before", e.dir, e.err, e.dir)
	case errors.As(e.err, &corrupt):
		return fmt.Sprintf("the log is damaged: %v. To see whether a restored directory is sound, run: %s -data %s -check", corrupt, e.name, e.dir)
	case e.kind == startData && disk.IsFull(e.err):
		return fmt.Sprintf("the disk with data directory %s is full: %v; free some space, or choose another with -data", e.dir, e.err)
	case e.kind == startData && (errors.Is(e.err, os.ErrPermission) || errors.Is(e.err, syscall.EROFS)):
		return fmt.Sprintf("data directory %s cannot be written: %v; change its owner or mount, or choose another with -data", e.dir, e.err)
	case errors.Is(e.err, node.ErrOtherDirectory):
		return fmt.Sprintf("data directory %s: %v; check -cluster, -node-id and -data", e.dir, e.err)
	case e.kind == startData:
		return fmt.Sprintf("data directory %s: %v", e.dir, e.err)
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *startError) Unwrap() error { return e.err }

// FaultCode is the code of what only the start knows; the cause has its own.
func (e *startError) FaultCode() string {
	switch {
	case e.kind == startListen && errors.Is(e.err, syscall.EADDRINUSE):
		return "LTH2003"
	case e.kind == startListen:
		return "LTH2004"
	}
	return ""
}

// exitCode is what a program should end with after err.
func exitCode(err error) int {
	var start *startError
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &start) && start.kind != startListen:
		return exitConfig
	}
	return exitFailed
}

// otherPort suggests an address with a port that is free now.
func otherPort(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return net.JoinHostPort(host, "0")
	}
	free := l.Addr().String()
	if l.Close() != nil {
		return net.JoinHostPort(host, "0")
	}
	return free
}

// holder names the process that listens on an address, where /proc tells; else "".
func holder(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	inode := listeningInode(n)
	if inode == "" {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == "socket:["+inode+"]" {
			return " by process " + strings.Split(fd, "/")[2]
		}
	}
	return ""
}

// listeningInode finds the socket that listens on a TCP port in /proc/net.
func listeningInode(port int) string {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			f := strings.Fields(string(line))
			const listening = "0A"
			if len(f) > 9 && f[3] == listening && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return f[9]
			}
		}
	}
	return ""
}

// Run is the main function of an application: it reads flags, environment and
// configuration file, starts, prints where it serves, and stops gracefully on SIGINT or
// SIGTERM; a second signal stops it at once. With TLS, SIGHUP reads the certificates again. addr is the address where nothing else says
// one. It returns after a clean stop; otherwise it prints what is wrong and exits: 2 for
// wrong flags, 78 when configuration or data do not let it start, 3 after the second
// signal, 1 for the rest.
//
// A first argument that is no flag is a command: serve, which is what none means, too, or
// one that looks after the data directory, such as backup, restore, log verify or cluster
// status; help lists them. They exit with the codes of the tool lithair.
func (a *App) Run(addr string) {
	if code := a.run(addr, os.Args[1:], os.Environ(), os.Stderr); code != 0 {
		os.Exit(code)
	}
}

func (a *App) run(addr string, args, environ []string, out io.Writer) int {
	if addr != "" {
		a.cfg.Addr = addr
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if args[0] != "serve" {
			return a.operate(args, environ, out)
		}
		args = args[1:]
	}
	err := a.cfg.load(args, environ, out)
	switch {
	case errors.Is(err, errHelp):
		return 0
	case err != nil:
		fmt.Fprintf(out, "%s: %s\nRun %s -h for all flags.\n", a.cfg.Name, cli.Coded(err), a.cfg.Name)
		return exitUsage
	}
	switch {
	case a.cfg.openAPI:
		return a.printOpenAPI(os.Stdout, out)
	case a.cfg.verify:
		return a.verify(out)
	}
	for _, kv := range environ {
		if file, ok := strings.CutPrefix(kv, devpage.Variable+"="); ok {
			a.cfg.wrong = file
			a.engine.AllowRenames()
		}
	}
	a.log = a.cfg.logger(os.Stderr)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	hup := make(chan os.Signal, 1)
	if a.cfg.TLSCert != "" {
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
	}
	n, err := newNotifier(environ)
	if err != nil {
		a.log.Warn("systemd does not hear of this application", "error", err)
		n = nil
	}
	return a.serveUntil(signals, hup, n, out)
}

// serveUntil starts, and stops at a signal; n hears of both.
func (a *App) serveUntil(signals, hup chan os.Signal, n *notifier, out io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	var told sync.WaitGroup
	defer func() {
		cancel()
		told.Wait()
		a.notify(n.close())
	}()
	starting, started := context.WithCancel(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		n.starting(starting)
	}()
	begun := make(chan error, 1)
	go func() { begun <- a.Start(ctx) }()
	var err error
	select {
	case err = <-begun:
	case s := <-signals:
		cancel()
		select {
		case <-begun:
		case <-signals: // a replay is not interrupted
		}
		fmt.Fprintf(out, "%s: stopped by %s while starting\n", a.cfg.Name, s)
		started()
		<-asked
		return exitForced
	}
	started()
	<-asked // that it is starting is not told behind READY
	if err != nil {
		fmt.Fprintf(out, "%s: %s\n", a.cfg.Name, cli.Coded(err))
		return exitCode(err)
	}
	a.banner(out)
	a.notify(n.tell("READY=1", "MAINPID="+strconv.Itoa(os.Getpid()), "STATUS=serving "+a.transport.scheme()+"://"+a.Addr()))
	told.Go(func() { n.living(ctx) })
	return a.untilStopped(signals, hup, n, out)
}

// notify says that a message to systemd could not be sent.
func (a *App) notify(err error) {
	if err != nil {
		a.log.Warn("systemd does not hear of this application", "error", err)
	}
}

// verify reads the whole log, of an application that does not run, and says whether it
// is sound.
func (a *App) verify(out io.Writer) int {
	err := a.openKeys()
	if err == nil {
		err = backup.Finish(a.cfg.FS, a.cfg.Dir)
	}
	var r eventlog.Report
	if err == nil {
		r, err = eventlog.Verify(eventlog.Config{FS: a.cfg.FS, Dir: a.logDir(), Keys: a.keys}, nil)
	}
	if err != nil {
		err = &startError{err: err, kind: startData, dir: a.cfg.Dir, name: a.cfg.Name}
		fmt.Fprintf(out, "%s: %s\n", a.cfg.Name, cli.Coded(err))
		return exitCode(err)
	}
	fmt.Fprintf(out, "%s: the log in %s is sound: %d records (%d to %d) in %d segments, chain %x\n", a.cfg.Name, a.logDir(), r.Records, r.First, r.Last, r.Segments, r.Chain)
	return 0
}

// untilStopped waits for a signal, or for the server to break, and stops. On hup it
// reads the certificates again.
func (a *App) untilStopped(signals, hup chan os.Signal, n *notifier, out io.Writer) int {
	var failed error
	select {
	case <-hup:
		a.reloadCertificates()
		return a.untilStopped(signals, hup, n, out)
	case s := <-signals:
		a.log.Info("stopping", "signal", s.String(), "at_most", a.cfg.ShutdownTimeout.String())
	case failed = <-a.serving:
		a.serving <- failed
		a.log.Error("the server broke", "error", failed)
	}
	a.notify(n.tell("STOPPING=1", "STATUS=finishing what was begun"))
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.ShutdownTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- a.Shutdown(ctx) }()
	select {
	case err := <-stopped:
		if err = errors.Join(failed, err); err != nil {
			fmt.Fprintf(out, "%s: %v\n", a.cfg.Name, err)
			return exitFailed
		}
		a.log.Info("stopped")
		return 0
	case <-signals:
		fmt.Fprintf(out, "%s: stopped at once by a second signal; what was acknowledged is on disk\n", a.cfg.Name)
		return exitForced
	}
}

// banner says where everything is: as lines for people, or one record in JSON logs.
func (a *App) banner(out io.Writer) {
	url := a.transport.scheme() + "://" + a.Addr()
	version, _ := buildVersion()
	if a.cfg.LogFormat == "json" {
		a.log.Info("started", "name", a.cfg.Name, "url", url, "data", a.cfg.Dir, "restored_snapshot", a.restored.snapshot, "restored_records", a.restored.records,
			"restored_in", a.restored.took.String(), "durability", durability, "node_id", a.identity.NodeID.String(), "version", version)
		return
	}
	fmt.Fprintf(out, "%s is up: %s\n", a.cfg.Name, url)
	row := func(label, value string) { fmt.Fprintf(out, "  %-11s %s\n", label, value) }
	for _, r := range a.Routes() {
		if base, ok := strings.CutSuffix(r.Path, "/_bulk"); ok {
			row("REST", url+base)
		}
	}
	if c := a.cluster.Load(); c != nil {
		row("cluster", fmt.Sprintf("%s, node %d, other nodes reach it at %s", a.cfg.Cluster, c.cfg.id, c.cfg.listen))
	}
	row("health", url+"/health  "+url+"/ready?verbose")
	row("metrics", url+"/observe/metrics")
	row("data", fmt.Sprintf("%s, %s in %s", a.cfg.Dir, a.restored, a.restored.took.Round(100_000)))
	row("durability", durability)
	row("stop", "Ctrl-C")
}
