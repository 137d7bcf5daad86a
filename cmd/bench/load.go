package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
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
	// 0 sends the next request as soon as the answer is there.
	rate float64
	make func(dst []byte, conn, i int) []byte
	want int
}

// run returns rate, p50_us, p99_us, p999_us and the number of requests.
func (l load) run() (map[string]float64, error) {
	lats := make([][]int64, l.conns)
	errs := make([]error, l.conns)
	begin := time.Now()
	end := begin.Add(l.d)
	var wg sync.WaitGroup
	for c := range l.conns {
		wg.Go(func() { lats[c], errs[c] = l.connection(c, begin, end) })
	}
	wg.Wait()
	took := time.Since(begin)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	all := slices.Concat(lats...)
	if len(all) == 0 {
		return nil, fmt.Errorf("no request was answered in %v", l.d)
	}
	slices.Sort(all)
	at := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))]) / 1e3 }
	return map[string]float64{"rate": float64(len(all)) / took.Seconds(), "requests": float64(len(all)),
		"p50_us": at(.5), "p99_us": at(.99), "p999_us": at(.999)}, nil
}

func (l load) connection(c int, begin, end time.Time) (lats []int64, err error) {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 4096)
	var buf []byte
	for i := 0; ; i++ {
		t := time.Now()
		if l.rate > 0 {
			due := begin.Add(time.Duration(float64(i*l.conns+c) / l.rate * float64(time.Second)))
			time.Sleep(due.Sub(t))
			t = due
		}
		if l.requests > 0 && i == l.requests || l.requests == 0 && !t.Before(end) {
			return lats, nil
		}
		buf = l.make(buf[:0], c, i)
		if _, err := conn.Write(buf); err != nil {
			return lats, err
		}
		status, err := answer(r)
		if err != nil {
			return lats, err
		}
		if status != l.want {
			return lats, fmt.Errorf("status %d, want %d", status, l.want)
		}
		lats = append(lats, int64(time.Since(t)))
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
