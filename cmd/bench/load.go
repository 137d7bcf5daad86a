package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// load drives one server with n connections for d. make appends the bytes of request
// number i of a connection; want is the status every answer must have.
type load struct {
	addr  string
	conns int
	d     time.Duration
	// requests, when not 0, ends each connection after so many requests instead of after d.
	requests int
	// rate, in requests per second over all connections, sends on a timetable and counts
	// latency from the time a request was due, so a server that stalls cannot hide it.
	// 0 sends the next request as soon as the answer is there: see closedLoop.
	rate float64
	make func(dst []byte, conn, i int) []byte
	want int // 0: as wants says
	// wants, where want is 0, is the status of request number i of a connection.
	wants func(conn, i int) int
}

// closedLoop is what a table says whose requests follow no timetable.
const closedLoop = "each client asks again when it has its answer, so that quantiles show a stall of the server once for each client (-rate: on a timetable, each request that was due)"

// pacing says how requests are sent.
func pacing(rate float64) string {
	if rate == 0 {
		return closedLoop
	}
	return "latency from when a request was due"
}

// atRate is the end of the title of a case on a timetable: it is another one than without.
func atRate(rate float64) string {
	if rate == 0 {
		return ""
	}
	return fmt.Sprintf(", %v requests/s on a timetable", rate)
}

// run returns what eachConnection does.
func (l load) run() (figures, error) { return eachConnection(l.conns, l.d, l.connection) }

// eachConnection runs f for each of n connections at once, each with a histogram of its own. It returns rate, requests, quantiles
// of the latency and client_us, the CPU time of this process for each request.
func eachConnection(n int, d time.Duration, f func(c int, begin, end time.Time, lats *histogram) error) (figures, error) {
	lats := make([]histogram, n)
	errs := make([]error, n)
	cpu, begin := cpuNow(), time.Now()
	end := begin.Add(d)
	var wg sync.WaitGroup
	for c := range n {
		wg.Go(func() { errs[c] = f(c, begin, end, &lats[c]) })
	}
	wg.Wait()
	took := time.Since(begin)
	cpu = cpuNow() - cpu
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	var all histogram
	for i := range lats {
		all.merge(&lats[i])
	}
	if all.n == 0 {
		return nil, fmt.Errorf("no request was answered in %v", d)
	}
	m := figures{"rate": float64(all.n) / took.Seconds(), "requests": float64(all.n), "client_us": float64(cpu.Nanoseconds()) / 1e3 / float64(all.n)}
	all.into(m)
	return m, nil
}

// patience is how long a server may leave a connection without any answer, beyond the time of the measurement.
const patience = 30 * time.Second

// refresh is after how many answers a connection's deadline is set again: each time would be a cost of its own.
const refresh = 64

// due is when request number i of connection c is, of conns connections that send rate requests a second by turns. It returns at
// that time, or at once when that has passed; without a rate it is now.
func due(begin time.Time, rate float64, conns, c, i int) time.Time {
	if rate == 0 {
		return time.Now()
	}
	t := begin.Add(time.Duration(float64(i*conns+c) / rate * float64(time.Second)))
	time.Sleep(time.Until(t))
	return t
}

func (l load) connection(c int, begin, end time.Time, lats *histogram) error {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 4096)
	var buf []byte
	for i := 0; ; i++ {
		if i%refresh == 0 {
			if err := conn.SetDeadline(time.Now().Add(l.d + patience)); err != nil {
				return err
			}
		}
		t := due(begin, l.rate, l.conns, c, i)
		late := !t.Before(end) && (i > 0 || l.rate > 0) // without a timetable, each connection has one answer however late the machine is
		if l.requests > 0 && i == l.requests || l.requests == 0 && late {
			return nil
		}
		buf = l.make(buf[:0], c, i)
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		status, err := answer(r)
		if err != nil {
			return err
		}
		want := l.want
		if want == 0 {
			want = l.wants(c, i)
		}
		if status != want {
			return fmt.Errorf("status %d, want %d", status, want)
		}
		lats.add(int64(time.Since(t)))
	}
}

var lengthName = []byte("content-length:")

// answer reads one HTTP/1.1 reply with a Content-Length and discards its body.
func answer(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, fmt.Errorf("status line %q", line)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > len(lengthName) && bytes.EqualFold(line[:len(lengthName)], lengthName) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthName):]))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("an answer without Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return status, err
}
