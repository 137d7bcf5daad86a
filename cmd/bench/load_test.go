package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// stalling answers each request at once, but for the nth, which makes that and all that come meanwhile wait for as long as stall.
func stalling(t *testing.T, nth int, stall time.Duration) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	asked := 0
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); {
					if in.Text() != "" {
						continue
					}
					mu.Lock()
					if asked++; asked == nth {
						time.Sleep(stall)
					}
					mu.Unlock()
					if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestAStallIsCounted: on a timetable, quantiles show a stall of the server for each request that was due meanwhile, though none
// of them was sent. Of 100 requests, one each 5 ms, the 20th to arrive, 100 ms after the beginning or later, takes 300 ms: all behind it
// are answered 400 ms after the beginning or later, and 40 of them were due in the first 300.
func TestAStallIsCounted(t *testing.T) {
	l := load{addr: stalling(t, 20, 300*time.Millisecond), conns: 4, d: 500 * time.Millisecond, rate: 200, want: 200,
		make: func(dst []byte, _, _ int) []byte { return appendGet(dst, 0) }}
	m, err := l.run()
	if err != nil {
		t.Fatal(err)
	}
	if m["requests"] != 100 || m["max_us"] < 300_000 || m["p90_us"] < 100_000 || m["p99_us"] < 200_000 {
		t.Errorf("%v", m)
	}
	x := exchange{addr: stalling(t, 20, 300*time.Millisecond), conns: 4, d: 500 * time.Millisecond, rate: 200, msg: appendGet(nil, 0), reply: len("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")}
	if m, err = x.run(); err != nil || m["requests"] != 100 || m["max_us"] < 300_000 || m["p90_us"] < 100_000 {
		t.Errorf("%v, %v", m, err)
	}
}

// TestAServerThatDies: the error names it, and says that it has ended.
func TestAServerThatDies(t *testing.T) {
	p, err := spawn("victim", "rival", "memory", "-addr", "{addr}", "-records", "1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	_, err = p.under(func() (figures, error) {
		first := true
		return load{addr: p.addr, conns: 1, d: time.Hour, want: 200, make: func(dst []byte, _, i int) []byte {
			if i == 10 && first {
				first = false
				p.kill()
			}
			return appendGet(dst, 0)
		}}.run()
	})
	if err == nil || !strings.Contains(err.Error(), "the process has ended: signal: killed") {
		t.Errorf("%v", err)
	}
}

// TestAServerThatDoesNotStart: nobody waits for one that has ended.
func TestAServerThatDoesNotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, args := range [][]string{
		{"serve", "-profile", "peers", "-addr", taken.Addr().String()},
		{"rival", "turns", "-addr", "{addr}", "-data", t.TempDir() + "/none"},
	} {
		p, err := spawn("server", args...)
		if err == nil {
			p.stop()
		}
		if err == nil || !strings.Contains(err.Error(), "the process has ended: exit status 1") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestInterrupted: a run that is interrupted leaves neither data nor servers behind.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "app", "-case", "post1", "-duration", "1h", "-data", dir)
	cmd.WaitDelay = 10 * time.Second // for servers that are left: they have the same output
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	written := func() bool { // a server has written there
		return folderBytes(dir) > syncFileBytes
	}
	for ; !written(); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("nothing is written: %s", said.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 || !strings.Contains(said.String(), "interrupt: nothing is reported") {
		t.Errorf("%v: %s", err, said.String())
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// TestNewRecordsAreNew: no two requests make one record, however many clients and rounds there are.
func TestNewRecordsAreNew(t *testing.T) {
	ids, seen := newIDs(), map[string]bool{}
	for range 3 { // rounds
		l := appCase{writes: 100}.load(appOptions{records: 1}, "", ids)
		c := clusterCase{write: true}.load(clusterOptions{}, "", ids, 0)
		for conn := range 400 {
			for i := range 3 {
				for _, make := range []func(dst []byte, conn, i int) []byte{l.make, c.make} {
					text := string(make(nil, conn, i))
					if seen[text] {
						t.Fatalf("again: %s", text)
					}
					seen[text] = true
				}
			}
		}
	}
}

func TestWhatCannotBeMeasured(t *testing.T) {
	good := options{rounds: 1, d: 1, crowd: true, clients: 1}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for _, clients := range []int{0, -1, 10_001} {
		o := good
		o.clients = clients
		if err := o.check(); err == nil || !strings.Contains(err.Error(), "-clients") {
			t.Errorf("%d clients: %v", clients, err)
		}
	}
	for _, rate := range []float64{-1, math.NaN(), math.Inf(1), 1e9} {
		if checkRate(rate, true) == nil {
			t.Errorf("-rate %v is accepted", rate)
		}
	}
	if checkRate(0, true) != nil || checkRate(0, false) == nil || checkRate(.5, false) != nil {
		t.Error("0 is a rate where there need be none, and only there")
	}
	for _, run := range []struct {
		name string
		do   func([]string) error
		args string
	}{
		{"app", runApp, "-rate -5"}, {"app", runApp, "-records 0"}, {"cluster", runCluster, "-rate NaN"}, {"cluster", runCluster, "-records -1"}, {"wire", runWire, "-rate -1"},
		{"ws", runWS, "-rate +Inf"}, {"live", runLive, "-rate 0"}, {"live", runLive, "-records 0"}, {"rooms", runRooms, "-rate NaN"}, {"start", runStart, "-records 0"},
		{"state", runState, "-records 0"}, {"wire", runWire, "-clients 0"}, {"app", runApp, "-duration 0"}, {"log", runLog, "-rounds 0"},
	} {
		flag, _, _ := strings.Cut(run.args, " ")
		if err := run.do(strings.Fields(run.args)); err == nil || !strings.Contains(err.Error(), flag+": ") {
			t.Errorf("%s %s: %v", run.name, run.args, err)
		}
	}
}
