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

// slowServer starts one, until the test ends.
func slowServer(t testing.TB) (addr string) {
	t.Helper()
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
	if addr, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// TestTenThousandSlowClients measures what a normal client feels of 10,000 connections
// that send their heads and bodies byte by byte, one a second, and sees them cut off. A
// second server without them is asked in turn, so that what else the machine does counts
// for both.
func TestTenThousandSlowClients(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("opens 10,000 connections for 20 s: set LITHAIR_LONG=1")
	}
	addr, quietAddr := slowServer(t), slowServer(t)
	const clients = 10_000
	conns := slowClients(t, addr, clients)
	stop := make(chan struct{})
	var sent atomic.Int64
	var wg sync.WaitGroup
	for part := range slices.Chunk(conns, clients/4) {
		wg.Go(func() { trickle(part, stop, &sent) })
	}
	beside, alone := roundTrips(t, addr, quietAddr)
	t.Logf("round trips of a normal client beside %d slow ones (%d bytes sent): %s; at a server without them: %s", clients, sent.Load(), beside, alone)

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
}

// slowClients opens connections and begins heads and bodies on them, in turn.
func slowClients(t testing.TB, addr string, n int) []net.Conn {
	t.Helper()
	begin := []string{"GET / HTTP/1.1\r\nHost: t\r\nX-Slow: ", "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n"}
	conns := make([]net.Conn, n)
	for i := range conns {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("after %d connections: %v (raise the limit of open files)", i, err)
		}
		t.Cleanup(func() { nc.Close() })
		if _, err := io.WriteString(nc, begin[i%2]); err != nil {
			t.Fatal(err)
		}
		conns[i] = nc
	}
	return conns
}

// trickle sends a byte a second on each connection, evenly over the second.
func trickle(conns []net.Conn, stop <-chan struct{}, sent *atomic.Int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for at := 0; ; at = (at + len(conns)/100) % len(conns) {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for _, nc := range conns[at : at+len(conns)/100] {
			if _, err := nc.Write([]byte{'x'}); err == nil { // those that were cut off do not count
				sent.Add(1)
			}
		}
	}
}

// roundTrips asks two servers in turn, 4,000 times each, on a connection each.
func roundTrips(t testing.TB, a, b string) (ofA, ofB string) {
	t.Helper()
	var conns [2]net.Conn
	var took [2][]time.Duration
	for i, addr := range []string{a, b} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns[i] = nc
	}
	buf := make([]byte, 4<<10)
	for n := range 8000 {
		nc := conns[n%2]
		begin := time.Now()
		if _, err := io.WriteString(nc, "GET /drop HTTP/1.1\r\nHost: t\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := nc.Read(buf); err != nil || !strings.HasSuffix(string(buf[:n]), "dropped") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		took[n%2] = append(took[n%2], time.Since(begin))
		time.Sleep(time.Millisecond)
	}
	text := func(d []time.Duration) string {
		slices.Sort(d)
		return fmt.Sprintf("p50 %v, p99 %v", d[len(d)/2].Round(time.Microsecond), d[len(d)*99/100].Round(time.Microsecond))
	}
	return text(took[0]), text(took[1])
}
