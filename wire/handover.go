package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Inherited are the listeners that this process was started with: by systemd (socket
// activation) or by its predecessor ([Handover]).
type Inherited struct {
	names     []string
	listeners []net.Listener
	ready     *os.File // tells the predecessor; nil under systemd
}

// firstInherited is the number of the first descriptor passed on; 0 to 2 are the standard
// input and outputs.
const firstInherited = 3

// The environment variables of a hand-over. systemd's are LISTEN_PID, LISTEN_FDS and
// LISTEN_FDNAMES (sd_listen_fds(3)).
const inheritVariable = "LITHAIR_INHERIT"

// Inherit returns the listeners that were passed to this process, none when it was
// started by hand. Call it once, early: it takes the descriptors and clears the
// environment variables, so that child processes do not believe they are meant. An error
// means that listeners were promised and cannot be used; those that could are closed.
//
//	in, err := wire.Inherit()
//	l := in.Listener("http")
//	if l == nil {
//		l, err = net.Listen("tcp", ":8080")
//	}
//	go s.Serve(l)
//	err = in.Ready() // a predecessor stops now
func Inherit() (*Inherited, error) {
	names, own, err := inheritedNames()
	if err != nil {
		return nil, err
	}
	in := &Inherited{names: names}
	for i, name := range names {
		f := os.NewFile(uintptr(firstInherited+i), name)
		l, err := net.FileListener(f) // with a descriptor of its own, closed on exec
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, errors.Join(fmt.Errorf("wire: descriptor %d (%s), which was passed to this process: %w", firstInherited+i, name, err), in.Close())
		}
		if u, ok := l.(*net.UnixListener); ok && own { // systemd keeps its sockets
			u.SetUnlinkOnClose(true)
		}
		in.listeners = append(in.listeners, l)
	}
	if own {
		in.ready = os.NewFile(uintptr(firstInherited+len(names)), "ready")
	}
	return in, nil
}

// inheritedNames reads and clears the environment; own tells a predecessor's listeners
// from systemd's.
func inheritedNames() (names []string, own bool, err error) {
	env := map[string]string{}
	for _, k := range []string{inheritVariable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if v, ok := os.LookupEnv(k); ok {
			env[k] = v
			err = errors.Join(err, os.Unsetenv(k))
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("wire: %w", err)
	}
	if list, ok := env[inheritVariable]; ok {
		return strings.Split(list, ":"), true, nil
	}
	if env["LISTEN_PID"] != strconv.Itoa(os.Getpid()) {
		return nil, false, nil // not meant for this process
	}
	names, err = systemdNames(env["LISTEN_FDS"], env["LISTEN_FDNAMES"])
	return names, false, err
}

// maxInherited bounds what an environment may promise.
const maxInherited = 1024

// systemdNames returns a name per descriptor; without names they are "unknown", as
// systemd calls them.
func systemdNames(fds, list string) ([]string, error) {
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("wire: LISTEN_FDS is %.20q, want a number of descriptors", fds)
	}
	if list == "" {
		return slices.Repeat([]string{"unknown"}, n), nil
	}
	names := strings.Split(list, ":")
	if len(names) != n {
		return nil, fmt.Errorf("wire: LISTEN_FDNAMES has %d names for %d descriptors", len(names), n)
	}
	return names, nil
}

// Listener returns the listener of a name (systemd: FileDescriptorName=), nil when there
// is none. Where several have that name, each call returns the next.
func (in *Inherited) Listener(name string) net.Listener {
	for i, n := range in.names {
		if n == name && in.listeners[i] != nil {
			l := in.listeners[i]
			in.listeners[i] = nil
			return l
		}
	}
	return nil
}

// Ready tells a predecessor that this process serves; it then stops. Without one it does
// nothing.
func (in *Inherited) Ready() error {
	if in.ready == nil {
		return nil
	}
	_, err := in.ready.Write([]byte{'1'})
	err = errors.Join(err, in.ready.Close())
	in.ready = nil
	return err
}

// Close closes the listeners that nobody asked for. A predecessor that waits sees that
// this process will not be ready.
func (in *Inherited) Close() (err error) {
	for i, l := range in.listeners {
		if l != nil {
			err = errors.Join(err, l.Close())
			in.listeners[i] = nil
		}
	}
	if in.ready != nil {
		err = errors.Join(err, in.ready.Close())
		in.ready = nil
	}
	return err
}

// Handover starts cmd as this process's successor, passes it the listeners by name, and
// returns when it is [Inherited.Ready]. From then on both processes accept, from the same
// queue, until the caller stops its servers with [Server.Shutdown]: no connection is
// refused or lost on the way, and one that comes in between waits. Unix sockets keep
// their files; the successor removes them.
//
// When cmd ends before it is ready, or ctx does, cmd is killed, the error says so, and
// nothing has changed: the caller goes on. cmd must not have ExtraFiles of its own; its
// Env may be set. The listeners are those that net makes for TCP and Unix sockets, not
// wrapped ones. After success, cmd's process is the caller's to wait for, or to leave.
func Handover(ctx context.Context, cmd *exec.Cmd, listeners map[string]net.Listener) error {
	names, files, err := handoverFiles(cmd, listeners)
	defer closeAll(files)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("wire: hand-over: %w", err)
	}
	defer r.Close()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, inheritVariable+"="+strings.Join(names, ":"))
	cmd.ExtraFiles = append(slices.Clone(files), w)
	err = cmd.Start()
	w.Close() // the successor's copy alone is left, so that its end is seen
	if err != nil {
		return fmt.Errorf("wire: hand-over: %w", err)
	}
	if err := awaitReady(ctx, r); err != nil {
		cmd.Process.Kill()
		return errors.Join(fmt.Errorf("wire: hand-over: the successor did not get ready: %w", err), cmd.Wait())
	}
	for _, l := range listeners {
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
	}
	return nil
}

// handoverFiles makes descriptors to be passed on.
func handoverFiles(cmd *exec.Cmd, listeners map[string]net.Listener) (names []string, files []*os.File, err error) {
	if len(cmd.ExtraFiles) > 0 {
		return nil, nil, errors.New("wire: hand-over: the command has ExtraFiles of its own")
	}
	if len(listeners) == 0 {
		return nil, nil, errors.New("wire: hand-over: no listeners")
	}
	for name, l := range listeners {
		if name == "" || strings.ContainsAny(name, ":\x00") {
			return nil, files, fmt.Errorf("wire: hand-over: %q is no name for a listener", name)
		}
		fl, ok := l.(interface{ File() (*os.File, error) })
		if !ok {
			return nil, files, fmt.Errorf("wire: hand-over: listener %q is a %T, which has no descriptor to pass on", name, l)
		}
		f, err := fl.File()
		if err != nil {
			return nil, files, fmt.Errorf("wire: hand-over: listener %q: %w", name, err)
		}
		names, files = append(names, name), append(files, f)
	}
	return names, files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close() // copies, of which nothing is expected
	}
}

// awaitReady waits for the successor's word.
func awaitReady(ctx context.Context, r *os.File) error {
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	var b [1]byte
	_, err := r.Read(b[:])
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == io.EOF:
		return errors.New("it ended or gave up")
	}
	return err
}
