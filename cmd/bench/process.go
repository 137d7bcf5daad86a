package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// process is a started contestant.
type process struct {
	name string
	addr string
	cmd  *exec.Cmd
	in   io.Closer

	ended chan struct{} // closed when it has
	how   error         // how it ended; for those who have seen ended closed
	undo  func()        // of its end by an interrupt
}

// spawn starts this program again with args, in which {addr} becomes a free loopback
// address, and waits until it accepts connections there.
func spawn(name string, args ...string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "{addr}", addr)
	}
	c := exec.Command(self, args...)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe() // a server ends when its standard input does
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, addr: addr, cmd: c, in: in, ended: make(chan struct{})}
	go func() {
		p.how = c.Wait()
		close(p.ended)
	}()
	p.undo = onInterrupt(func() error { p.kill(); return nil })
	if err := waitTCP(addr, 20*time.Second, p.ended); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s does not answer: %w", name, p.unless(err))
	}
	return p, nil
}

// unless returns err, or, where the process has ended, that it has: whatever else went wrong follows from it.
func (p *process) unless(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-p.ended:
		return fmt.Errorf("the process has ended: %w (%w)", cmp.Or(p.how, errors.New("without an error")), err)
	case <-time.After(100 * time.Millisecond): // connections end a little before it has
		return err
	}
}

// stop ends the process: politely, and after two seconds for good.
func (p *process) stop() {
	p.undo()
	p.in.Close()
	select {
	case <-p.ended: // how does not matter any more
	case <-time.After(2 * time.Second):
		p.kill()
	}
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// cpu is the user and system time the process has used so far; zero where the system
// does not say.
func (p *process) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64) // proc_pid_stat(5): ticks of 10 ms
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// freeAddr finds an address that nobody listens on, below the ports that systems give out by
// themselves: there, somebody's connection could take it before the server does.
func freeAddr() (string, error) {
	var l net.Listener
	var err error
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+rand.IntN(20000))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// waitTCP waits until somebody listens, for as long as limit, or until ended is closed.
func waitTCP(addr string, limit time.Duration, ended <-chan struct{}) error {
	end := time.Now().Add(limit)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			return err
		}
		select {
		case <-ended:
			return err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// busy is how much of the machine was in use over d while this process slept: other
// people's load.
func busy(d time.Duration) float64 {
	read := func() (used, all float64) {
		b, err := os.ReadFile("/proc/stat")
		if err != nil {
			return 0, 1
		}
		line, _, _ := strings.Cut(string(b), "\n")
		for i, x := range strings.Fields(line)[1:9] {
			n, _ := strconv.ParseFloat(x, 64)
			all += n
			if i != 3 && i != 4 { // idle, iowait
				used += n
			}
		}
		return used, all
	}
	u0, a0 := read()
	time.Sleep(d)
	u1, a1 := read()
	if a1 == a0 {
		return 0
	}
	return (u1 - u0) / (a1 - a0)
}
