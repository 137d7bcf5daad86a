package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// runIdle opens many WebSocket connections to a server of its own and says what each takes
// there while nothing comes: of the process's resident memory, which the kernel's buffers
// are no part of.
func runIdle(args []string) error {
	fs := flag.NewFlagSet("bench idle", flag.ExitOnError)
	conns := fs.Int("conns", 18_000, "connections of a group; each takes a file in both of its processes")
	groups := fs.Int("groups", 1, "groups, each a server and a client of its own; all are measured when all are open")
	member := fs.Bool("member", false, "be a group of several: measure when standard input says so, and end with it")
	parse(fs, args)
	if *conns < 1 || *groups < 1 {
		return errors.New("-conns and -groups must be positive")
	}
	if *groups > 1 {
		return idleGroups(*groups, *conns)
	}
	server, err := spawn("lithair", "serve", "-profile", "peers", "-addr", "{addr}")
	if err != nil {
		return err
	}
	defer server.stop()
	before, err := restingBytes(server)
	if err != nil {
		return err
	}
	all := make([]net.Conn, *conns)
	defer func() {
		for _, c := range all {
			if c != nil {
				c.Close() // nothing is left to be said about it
			}
		}
	}()
	for i := range all {
		if all[i], err = openIdle(server.addr); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	if *member {
		fmt.Println("open")
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return err
		}
	}
	after, err := restingBytes(server)
	if err != nil {
		return err
	}
	for _, c := range []net.Conn{all[0], all[len(all)/2], all[len(all)-1]} {
		if err := echoOnce(c); err != nil {
			return fmt.Errorf("a connection that rested: %w", err)
		}
	}
	fmt.Printf("%d idle connections in one process: %d KiB before, %d KiB with them, %d bytes each\n", *conns, before>>10, after>>10, (after-before)/int64(*conns))
	if *member {
		_, err = io.Copy(io.Discard, os.Stdin) // the others may not have measured yet
	}
	return err
}

// idleGroups runs groups at the same time, which measure and echo while the connections of all are open.
func idleGroups(groups, conns int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	type group struct {
		in  io.WriteCloser
		out *bufio.Reader
		cmd *exec.Cmd
	}
	all := make([]group, groups)
	for i := range all {
		c := exec.Command(self, "idle", "-member", "-conns", strconv.Itoa(conns))
		c.Stderr = os.Stderr
		in, err := c.StdinPipe()
		if err != nil {
			return err
		}
		out, err := c.StdoutPipe()
		if err != nil {
			return err
		}
		if err := c.Start(); err != nil {
			return err
		}
		defer c.Process.Kill() // where all went well it has ended
		all[i] = group{in, bufio.NewReader(out), c}
		if line, err := all[i].out.ReadString('\n'); err != nil { // one after the other: each opens as fast as it can
			return fmt.Errorf("group %d: %q: %w", i+1, line, err)
		}
	}
	fmt.Printf("%d connections are open\n", groups*conns)
	for i := range all {
		if _, err := io.WriteString(all[i].in, "\n"); err != nil {
			return err
		}
	}
	for i := range all {
		line, err := all[i].out.ReadString('\n')
		if err != nil {
			return fmt.Errorf("group %d: %q: %w", i+1, line, err)
		}
		fmt.Print(line)
	}
	var ended error
	for i := range all {
		ended = errors.Join(ended, all[i].in.Close(), all[i].cmd.Wait())
	}
	return ended
}

// openIdle completes an opening handshake.
func openIdle(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", addr)
	if err != nil {
		return nil, err
	}
	var head strings.Builder
	for br := bufio.NewReaderSize(c, 16); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		b, err := br.ReadByte()
		if err != nil {
			return nil, fmt.Errorf("%q: %w", head.String(), err)
		}
		head.WriteByte(b)
	}
	if !strings.HasPrefix(head.String(), "HTTP/1.1 101 ") {
		return nil, fmt.Errorf("the server answers %q", head.String())
	}
	return c, nil
}

// echoOnce sends a short message and takes it back; pings that come first are passed over.
func echoOnce(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("\x82\x85\x00\x00\x00\x00hello")); err != nil { // a masking key of zeros
		return err
	}
	for {
		var head [2]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		payload := make([]byte, head[1])
		if _, err := io.ReadFull(c, payload); err != nil {
			return err
		}
		switch {
		case head[0] == 0x82 && string(payload) == "hello":
			return nil
		case head[0] != 0x89:
			return fmt.Errorf("a frame %x of %q", head, payload)
		}
	}
}

// restingBytes waits until a process's resident memory has not changed for two seconds, for
// at most 20.
func restingBytes(p *process) (int64, error) {
	last, same := int64(-1), 0
	for range 80 {
		time.Sleep(250 * time.Millisecond)
		now := p.rss()
		if now == 0 {
			return 0, errors.New("the system does not say what a process has resident")
		}
		if same++; now != last {
			last, same = now, 0
		}
		if same == 8 {
			return now, nil
		}
	}
	fmt.Fprintln(os.Stderr, "the memory of the server does not come to rest; what it has now is shown")
	return last, nil
}
