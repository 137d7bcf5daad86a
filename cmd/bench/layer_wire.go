package main

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var wireCases = []struct{ name, request string }{
	{"plain", "GET /plain HTTP/1.1\r\nHost: bench\r\n\r\n"},
	{"json", "GET /json HTTP/1.1\r\nHost: bench\r\n\r\n"},
	{"echo", ""}, // a POST, made below
}

// runWire measures the HTTP layer beside net/http.
func runWire(args []string) error {
	fs := flag.NewFlagSet("bench wire", flag.ExitOnError)
	var o options
	o.measuring(fs, 7, 64, time.Second)
	rate := fs.Float64("rate", 0, "send so many requests a second on a timetable; 0: as fast as answers come")
	cases := fs.String("case", "plain,json,echo", "what to measure")
	parse(fs, args)
	if err := checkRate(*rate, true); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureWire(o, rep, *rate, strings.Split(*cases, ",")) })
}

func measureWire(o options, rep *report, rate float64, cases []string) (err error) {
	servers, err := pair(o, []string{"rival", "http", "-addr", "{addr}"}, "net/http", "wire")
	if err != nil {
		return err
	}
	defer servers[0].stop()
	defer servers[1].stop()
	for _, name := range cases {
		request, err := wireRequest(name)
		if err != nil {
			return err
		}
		l := load{conns: o.clients, rate: rate, want: 200, make: func(dst []byte, _, _ int) []byte { return append(dst, request...) }}
		var list []crowd
		for _, p := range servers {
			at := l
			at.addr = p.addr
			list = append(list, crowd{p.name, func(d time.Duration) (figures, error) { at.d = d; return p.under(at.run) }})
		}
		if err := crowds(o, rep, fmt.Sprintf("wire %s, %d connections%s", name, o.clients, atRate(rate)), "client and server share the machine; "+pacing(rate), appColumns, list); err != nil {
			return err
		}
	}
	return nil
}

// pair starts an opponent and our server of the peers profile.
func pair(o options, rival []string, them, us string) ([]*process, error) {
	theirs, err := spawn(them, rival...)
	if err != nil {
		return nil, err
	}
	ours, err := spawn(us, o.profiled([]string{"serve", "-profile", "peers", "-addr", "{addr}"}, us)...)
	if err != nil {
		theirs.stop()
		return nil, err
	}
	return []*process{theirs, ours}, nil
}

// under drives a server and adds what it cost it.
func (p *process) under(run func() (figures, error)) (figures, error) {
	cpu := p.cpu()
	m, err := run()
	if err != nil {
		return nil, p.unless(err)
	}
	m["cpu_us"], m["rss_mb"] = float64((p.cpu()-cpu).Microseconds())/m["requests"], float64(p.rss())/(1<<20)
	return m, nil
}

func wireRequest(name string) (string, error) {
	for _, c := range wireCases {
		if c.name == name && c.request != "" {
			return c.request, nil
		}
	}
	if name != "echo" {
		return "", fmt.Errorf("no such case: %s (plain, json, echo)", name)
	}
	doc, err := stdjson.Marshal(newSmall())
	return fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(doc), doc), err
}

// pagesOnNetHTTP is what peersHandler serves, on net/http and encoding/json.
func pagesOnNetHTTP() http.Handler {
	value, mux := newPage(), http.NewServeMux()
	send := func(w http.ResponseWriter, v any) {
		b, err := stdjson.Marshal(v)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b)
	}
	mux.HandleFunc("GET /plain", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) { send(w, &value) })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		var s small
		if err := stdjson.NewDecoder(r.Body).Decode(&s); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		send(w, &s)
	})
	return mux
}

// echoTCP sends back whatever comes: the floor under any protocol.
func echoTCP(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ended := inputEnds()
	go func() {
		<-ended
		l.Close()
	}()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 32<<10)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return // the client has gone
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// exchange sends the same bytes over each connection again and again, and waits for so many bytes in return.
type exchange struct {
	addr  string
	conns int
	d     time.Duration
	rate  float64 // as of a load
	hello []byte  // sent first, and answered with an HTTP head; nil: nothing
	msg   []byte
	reply int
}

func (x exchange) run() (figures, error) {
	return eachConnection(x.conns, x.d, x.connection)
}

func (x exchange) connection(conn int, begin, end time.Time, lats *histogram) error {
	c, err := net.Dial("tcp", x.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil { // of the handshake
		return err
	}
	r := bufio.NewReaderSize(c, 32<<10)
	if x.hello != nil {
		if _, err := c.Write(x.hello); err != nil {
			return err
		}
		if err := switched(r); err != nil {
			return err
		}
	}
	for i := 0; ; i++ {
		if i%refresh == 0 {
			if err := c.SetDeadline(time.Now().Add(x.d + patience)); err != nil {
				return err
			}
		}
		t := due(begin, x.rate, x.conns, conn, i)
		if !t.Before(end) && (i > 0 || x.rate > 0) { // without a timetable, each connection has one answer however late the machine is
			return nil
		}
		if _, err := c.Write(x.msg); err != nil {
			return err
		}
		if _, err := r.Discard(x.reply); err != nil {
			return err
		}
		lats.add(int64(time.Since(t)))
	}
}

// switched reads the head of a 101 answer.
func switched(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err == nil && !bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) {
		err = fmt.Errorf("the handshake is answered %q", line)
	}
	for err == nil && len(line) > 2 {
		line, err = r.ReadSlice('\n')
	}
	return err
}

// runWS measures WebSocket echo beside an echo without any protocol.
func runWS(args []string) error {
	fs := flag.NewFlagSet("bench ws", flag.ExitOnError)
	var o options
	o.measuring(fs, 7, 64, time.Second)
	rate := fs.Float64("rate", 0, "send so many messages a second on a timetable; 0: as fast as they come back")
	parse(fs, args)
	if err := checkRate(*rate, true); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureWS(o, rep, *rate, []int{64, 16 << 10}) })
}

func measureWS(o options, rep *report, rate float64, sizes []int) error {
	servers, err := pair(o, []string{"rival", "tcp", "-addr", "{addr}"}, "TCP echo, no protocol", "ws")
	if err != nil {
		return err
	}
	defer servers[0].stop()
	defer servers[1].stop()
	for _, size := range sizes {
		frame, head := maskedFrame(size)
		hello := []byte("GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		echo := exchange{addr: servers[0].addr, conns: o.clients, rate: rate, msg: frame, reply: len(frame)}
		sock := exchange{addr: servers[1].addr, conns: o.clients, rate: rate, msg: frame, reply: head + size, hello: hello}
		err := crowds(o, rep, fmt.Sprintf("ws echo of %d bytes, %d connections%s", size, o.clients, atRate(rate)), "the standard library has no WebSocket: the opponent is what any of them stands on; "+pacing(rate), appColumns, []crowd{
			{servers[0].name, func(d time.Duration) (figures, error) { echo.d = d; return servers[0].under(echo.run) }},
			{servers[1].name, func(d time.Duration) (figures, error) { sock.d = d; return servers[1].under(sock.run) }},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maskedFrame is a binary message of a client (RFC 6455 §5.2), and how long the head of the same one from a server is.
func maskedFrame(size int) (frame []byte, head int) {
	frame = []byte{0x82}
	switch {
	case size < 126:
		frame, head = append(frame, 0x80|byte(size)), 2
	default:
		frame, head = append(frame, 0x80|126, byte(size>>8), byte(size)), 4
	}
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	frame = append(frame, mask[:]...)
	for i := range size {
		frame = append(frame, byte(i)^mask[i&3])
	}
	return frame, head
}
