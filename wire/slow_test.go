package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serveSlow is the server of TestTenThousandSlowClients: a process of its own, which ends with its
// standard input.
func serveSlow() {
	s, err := NewServer(Config{Handler: caseHandler, Logger: quiet(), ReadHeaderTimeout: 15 * time.Second, ReadBodyTimeout: 15 * time.Second})
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	panic(s.Serve(l))
}

// TestTenThousandSlowClients measures what a normal client feels of 10,000 connections that send
// their heads and bodies byte by byte, one a second, and sees them cut off.
func TestTenThousandSlowClients(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("opens 10,000 connections for 20 s: set LITHAIR_LONG=1")
	}
	cmd := child("slow")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr = strings.TrimSpace(addr)

	before := percentiles(t, addr)
	const clients = 10_000
	heads := []byte("GET / HTTP/1.1\r\nHost: t\r\nX-Slow: ")
	body := []byte("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n")
	conns := make([]net.Conn, clients)
	for i := range conns {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("after %d connections: %v (raise the limit of open files)", i, err)
		}
		defer nc.Close()
		if _, err := nc.Write([][]byte{heads, body}[i%2]); err != nil {
			t.Fatal(err)
		}
		conns[i] = nc
	}
	stop := make(chan struct{})
	var sent atomic.Int64
	var wg sync.WaitGroup
	for part := range slices.Chunk(conns, clients/4) {
		wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond) // evenly, as 10,000 clients would
			defer tick.Stop()
			for at := 0; ; at = (at + len(part)/100) % len(part) {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				for _, nc := range part[at : at+len(part)/100] {
					if _, err := nc.Write([]byte{'x'}); err == nil { // those that were cut off do not count
						sent.Add(1)
					}
				}
			}
		})
	}
	during := percentiles(t, addr)
	t.Logf("round trips of a normal client, alone: %v; beside %d slow ones (%d bytes sent): %v", before, clients, sent.Load(), during)

	cut := map[string]int{}
	for _, nc := range conns {
		if err := nc.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(nc).ReadString('\n')
		if err != nil && !strings.Contains(err.Error(), "reset") { // a byte that crosses the response resets the connection
			line = err.Error()
		}
		cut[strings.TrimSpace(line)]++
	}
	close(stop)
	wg.Wait()
	t.Logf("how they were cut off: %v", cut)
	if n := cut["HTTP/1.1 408 Request Timeout"] + cut[""]; n != clients {
		t.Errorf("%d of %d were cut off", n, clients)
	}
	percentiles(t, addr)
}

// percentiles does 4,000 round trips on one connection.
func percentiles(t testing.TB, addr string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	took := make([]time.Duration, 4000)
	buf := make([]byte, 4<<10)
	for i := range took {
		begin := time.Now()
		if _, err := io.WriteString(nc, "GET /drop HTTP/1.1\r\nHost: t\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := nc.Read(buf); err != nil || !strings.HasSuffix(string(buf[:n]), "dropped") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		took[i] = time.Since(begin)
		time.Sleep(time.Millisecond)
	}
	slices.Sort(took)
	return fmt.Sprintf("p50 %v, p99 %v", took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond))
}
