package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/devpage"
	"github.com/lithair/lithair-go/wire"
)

// dev is a program that is built and started anew when its source changes.
//
// The listening socket belongs to this process and is handed to each program in turn, so that
// it is there while none runs: connections wait, and are not refused. The old program has
// stopped, and let go of its data directory, before the next one begins.
type dev struct {
	c    *cli.Console
	dir  string // of the package
	addr string
	data string // -data of the program; empty: its own default
	poll time.Duration
	idle func() // called when nothing is left but to wait for a change; nil: nobody is told

	listener *net.TCPListener
	builder  *builder
	seen     uint64 // fingerprint of the source that was built last, or could not be
	binary   string
	wrong    string       // file with what is wrong with the newest source, see devpage
	pages    *wire.Server // answers while no program runs
	served   chan error   // of pages
	child    *exec.Cmd
	ended    chan error // of child
}

// stopWait is how long a program may take to stop before it is killed: it gives itself 20 s.
const stopWait = 25 * time.Second

// startWait is how long a program may take to read its data.
const startWait = 10 * time.Minute

func setupDev(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	addr := fs.String("addr", "127.0.0.1:8080", "address to listen on")
	data := fs.String("data", "", "data directory of the program (default: its own)")
	poll := fs.Duration("poll", 250*time.Millisecond, "how often to look for changes")
	beside := fs.String("run", "", "a command to run beside it, such as 'npm run dev'")
	return func(c *cli.Console, in cli.Input) error {
		if len(in.Args) > 1 {
			return &cli.ExitError{Code: cli.CodeUsage, Err: errors.New("one package at a time")}
		}
		d := &dev{c: c, dir: ".", addr: *addr, data: *data, poll: *poll}
		if len(in.Args) == 1 {
			d.dir = in.Args[0]
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if *beside != "" {
			end, err := d.beside(*beside)
			if err != nil {
				return err
			}
			defer end()
		}
		return d.run(ctx)
	}
}

// beside starts a front-end's process. Where that ends by itself, it is said at once; end ends it with all that it has started.
func (d *dev) beside(line string) (end func(), err error) {
	shell := []string{"sh", "-c", line}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C", line}
	}
	cmd := exec.Command(shell[0], shell[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, d.c.Out, d.c.Err
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var ending atomic.Bool
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := cmd.Wait(); !ending.Load() {
			fmt.Fprintf(d.c.Err, "lithair dev: %s: it has ended: %v\n", line, cmp.Or(err, errors.New("exit status 0")))
		}
	}()
	return func() {
		ending.Store(true)
		if err := endGroup(cmd); err != nil {
			fmt.Fprintf(d.c.Err, "lithair dev: %s: %v\n", line, err)
		}
		<-over
	}, nil
}

// run goes on until ctx ends.
func (d *dev) run(ctx context.Context) (err error) {
	tmp, err := os.MkdirTemp("", "lithair-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	d.binary, d.wrong = filepath.Join(tmp, "program"), filepath.Join(tmp, "wrong")
	d.builder = &builder{dir: d.dir, work: tmp}
	if err := d.builder.begin(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return fmt.Errorf("%w; stop who has the address, or choose another with -addr", err)
	}
	d.listener = l.(*net.TCPListener)
	defer func() { err = errors.Join(err, d.listener.Close()) }()
	defer func() { err = errors.Join(err, d.stop(), d.yield()) }()
	fmt.Fprintf(d.c.Err, "  http://%s   the API at /docs\n", l.Addr())
	w := newWatcher(d.builder.root, d.poll, d.c)
	defer w.close()
	for {
		changed, err := d.changed(w)
		if err != nil {
			return err
		}
		if changed {
			if err := d.attempt(ctx); err != nil {
				return err
			}
			if d.idle != nil {
				d.idle()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.ended: // nil where nothing runs
			d.child, d.ended = nil, nil
			fmt.Fprintf(d.c.Err, "lithair dev: the program ended: %v; waiting for a change\n", err)
			if err := errors.Join(d.say(fmt.Sprintf("the program ended: %v", err)), d.stand()); err != nil {
				return err
			}
		case <-w.changed():
		}
	}
}

// changed says whether the source is another than when it was last asked.
func (d *dev) changed(w watcher) (bool, error) {
	w.look() // first: a file that comes to a new folder is either seen now or told of
	was := d.seen
	now, err := fingerprint(d.builder.root)
	d.seen = now
	return now != was, err
}

// fingerprint is of names, sizes and times of all files that may matter to the program.
func fingerprint(dir string) (uint64, error) {
	h := fnv.New64a()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it went while we looked
			}
			return err
		}
		if path != dir && passedOver(path, e) {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if e.IsDir() || strings.HasSuffix(e.Name(), "~") {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil // the same
		}
		fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	return h.Sum64(), err
}

// attempt renews the program, and says in the terminal and on its pages what is wrong. Its own
// error ends dev.
func (d *dev) attempt(ctx context.Context) error {
	screen := d.c.Err
	var said bytes.Buffer
	d.c.Err = io.MultiWriter(screen, &said)
	err := d.renew(ctx)
	d.c.Err = screen
	if err == nil || ctx.Err() != nil {
		return nil
	}
	fmt.Fprintf(d.c.Err, "lithair dev: %v\n", err)
	if err := d.say(said.String() + err.Error()); err != nil {
		return err
	}
	if d.child == nil {
		return d.stand()
	}
	return nil
}

// say writes down what is wrong; empty: nothing.
func (d *dev) say(text string) error {
	next := d.wrong + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, d.wrong)
}

// stand begins to answer in the program's place.
func (d *dev) stand() error {
	if d.pages != nil {
		return nil
	}
	l, err := d.ownListener()
	if err != nil {
		return err
	}
	s, err := wire.NewServer(wire.Config{Handler: devpage.Broken(d.wrong)})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d.pages, d.served = s, make(chan error, 1)
	go func(done chan error) { done <- s.Serve(l) }(d.served)
	return nil
}

// ownListener is the socket again, to be closed by whoever serves on it.
func (d *dev) ownListener() (net.Listener, error) {
	f, err := d.listener.File()
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(f)
	return l, errors.Join(err, f.Close())
}

// yield stops answering in the program's place.
func (d *dev) yield() error {
	if d.pages == nil {
		return nil
	}
	err := d.pages.Close()
	if e := <-d.served; !errors.Is(e, wire.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	d.pages, d.served = nil, nil
	return err
}

// renew generates, builds and starts the program. When that fails the old one goes on.
func (d *dev) renew(ctx context.Context) error {
	began := time.Now()
	if err := d.generate(); err != nil {
		return err
	}
	d.builder.err = d.c.Err
	fresh, err := d.builder.build(ctx, d.binary+".new")
	if err != nil {
		return err
	}
	if err := errors.Join(d.stop(), d.yield()); err != nil {
		return err
	}
	if fresh {
		if err := os.Rename(d.binary+".new", d.binary); err != nil {
			return err
		}
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.say(""); err != nil { // pages learn it before the builder learns anything
		return err
	}
	fmt.Fprintf(d.c.Err, "  ready in %d ms\n", time.Since(began).Milliseconds())
	if err := d.builder.learn(ctx, d.binary); err != nil {
		fmt.Fprintf(d.c.Err, "  the next build will be a slow one: %v\n", err)
	}
	return nil
}

// generate brings generated code up to date, and takes note of the source that it belongs to. What
// is edited later is a change, also when it is before the compiler has read it.
func (d *dev) generate() error {
	for {
		g := &genRun{c: d.c}
		if err := g.dir(d.dir); err != nil {
			return err
		}
		if g.mistakes > 0 {
			return fmt.Errorf("%d mistakes", g.mistakes)
		}
		if g.differs == 0 {
			return nil
		}
		now, err := fingerprint(d.builder.root)
		if err != nil {
			return err
		}
		d.seen = now
	}
}

// start runs the program with the socket, and waits until it serves.
func (d *dev) start(ctx context.Context) error {
	socket, err := d.listener.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	args := []string{"-addr", d.listener.Addr().String()}
	if d.data != "" {
		args = append(args, "-data", d.data)
	}
	cmd := exec.Command(d.binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, d.c.Out, d.c.Err
	cmd.Env = append(os.Environ(), "LITHAIR_INHERIT=http", devpage.Variable+"="+d.wrong)
	cmd.ExtraFiles = []*os.File{socket, tell}
	err = cmd.Start()
	tell.Close() // the program's copy alone is left, so that its end is seen
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	d.child, d.ended = cmd, ended
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	defer context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Now()) })()
	if n, err := ready.Read(make([]byte, 1)); n == 0 {
		select {
		case <-ended:
			d.child, d.ended = nil, nil
		default: // it closed the pipe, or is slow; stop ends it
			err = errors.Join(err, d.stop())
		}
		return fmt.Errorf("the program did not start: %w", errors.Join(err, ctx.Err()))
	}
	return nil
}

// stop ends the program, if one runs, and waits for that.
func (d *dev) stop() error {
	if d.child == nil {
		return nil
	}
	child, ended := d.child, d.ended
	d.child, d.ended = nil, nil
	if err := child.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		if err := child.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	select {
	case <-ended:
		return nil
	case <-time.After(stopWait):
	}
	fmt.Fprintf(d.c.Err, "lithair dev: the program does not stop, and is killed\n")
	err := child.Process.Kill()
	<-ended
	return err
}
