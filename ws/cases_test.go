package ws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lithair/lithair-go/wire"
)

// serveHTTP serves a handler until the test ends.
func serveHTTP(t testing.TB, h wire.Handler) string {
	t.Helper()
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func newTestServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return s
}

var echo = &Handler{Message: func(c *Conn, op Opcode, data []byte) error {
	return c.Write(context.Background(), op, data)
}}

func echoByReading(c *Conn) {
	for {
		op, data, err := c.Read(context.Background())
		if err != nil {
			<-c.Done()
			return
		}
		if c.Write(context.Background(), op, data) != nil {
			return
		}
	}
}

// seen is an event of a case: what the server did.
type seen struct {
	kind    string // text, bin, pong, close, http
	payload string
}

type wanted struct {
	seen
	size     int // of text#N; -1: the payload counts
	optional bool
}

type outcome struct {
	events []wanted
	end    string
}

type wsCase struct {
	name, level, handshake, offer, ext, noext string
	fields                                    []string
	early                                     bool
	steps                                     []string
	wants                                     []outcome
}

func readCases(t *testing.T) (cases []*wsCase) {
	b, err := os.ReadFile("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var c *wsCase
	text := func(s string) string {
		u, err := strconv.Unquote(s)
		if err != nil {
			t.Fatalf("%s: %s: %v", c.name, s, err)
		}
		return u
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#", "why", "ref":
		case "case":
			c = &wsCase{name: rest, level: "must"}
			cases = append(cases, c)
		case "level":
			c.level = rest
		case "handshake":
			c.handshake = text(rest)
		case "header":
			c.fields = append(c.fields, text(rest))
		case "offer":
			c.offer = text(rest)
		case "ext":
			c.ext = text(rest)
		case "noext":
			c.noext = text(rest)
		case "early":
			c.early = true
		case "want":
			c.wants = append(c.wants, parseWant(t, rest))
		default:
			c.steps = append(c.steps, line)
		}
	}
	return cases
}

// words splits at spaces outside of quotes.
func words(s string) []string {
	return regexp.MustCompile(`(?:[^\s"]|"(?:[^"\\]|\\.)*")+`).FindAllString(s, -1)
}

func parseWant(t *testing.T, s string) (o outcome) {
	w := words(s)
	o.end = w[len(w)-1]
	for i := 0; i < len(w)-1; i++ {
		times := 1
		if n, rest, ok := strings.Cut(w[i], "*"); ok {
			if k, err := strconv.Atoi(n); err == nil {
				times, w[i] = k, rest
			}
		}
		e := wanted{size: -1}
		if rest, ok := strings.CutPrefix(w[i], "?"); ok {
			e.optional, w[i] = true, rest
		}
		kind, size, sized := strings.Cut(w[i], "#")
		if e.kind = kind; sized {
			e.size, _ = strconv.Atoi(size)
		} else {
			i++
			e.payload = w[i]
			if kind != "close" && kind != "http" && w[i] != "_" {
				e.payload = payloadOf(t, w[i])
			}
		}
		for range times {
			o.events = append(o.events, e)
		}
	}
	return o
}

func payloadOf(t *testing.T, s string) string {
	switch {
	case s == "-":
		return ""
	case strings.HasPrefix(s, "hex:"):
		b, err := hex.DecodeString(s[4:])
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	case strings.HasPrefix(s, "rand:"):
		n, _ := strconv.Atoi(s[5:])
		r := rand.New(rand.NewPCG(uint64(n), 5))
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	times := 1
	if n, rest, ok := strings.Cut(s, "*"); ok && s[0] != '"' {
		times, _ = strconv.Atoi(n)
		s = rest
	}
	u, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return strings.Repeat(u, times)
}

var caseOpcodes = map[string]byte{"text": 1, "bin": 2, "cont": 0, "close": 8, "ping": 9, "pong": 10}

// caseFrame makes the bytes of a frame or deflate line.
func caseFrame(t *testing.T, line string, packed bool) []byte {
	w := words(line)
	op, ok := caseOpcodes[w[2]]
	if !ok {
		v, err := strconv.ParseUint(w[2], 0, 8)
		if err != nil {
			t.Fatal(line)
		}
		op = byte(v)
	}
	first, masked := op, true
	for _, f := range w[1] {
		switch f {
		case 'F':
			first |= 0x80
		case '1':
			first |= 0x40
		case '2':
			first |= 0x20
		case '3':
			first |= 0x10
		case 'U':
			masked = false
		}
	}
	form, key, code, payload := "", []byte{0x37, 0xfa, 0x21, 0x3d}, "", ""
	for _, a := range w[3:] {
		name, value, ok := strings.Cut(a, "=")
		switch {
		case ok && name == "len":
			form = value
		case ok && name == "key":
			key, _ = hex.DecodeString(value)
		case ok && name == "code":
			n, _ := strconv.Atoi(value)
			code = string(binary.BigEndian.AppendUint16(nil, uint16(n)))
		default:
			payload = payloadOf(t, a)
		}
	}
	payload = code + payload
	if w[0] == "deflate" && packed {
		first |= 0x40
		payload = string(standardDeflate(t, nil, []byte(payload), 6))
	}
	b := []byte{first, 0}
	switch n := len(payload); {
	case form == "64" || form == "" && n > 65535:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	case form == "16" || n > 125:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = byte(n)
	}
	if !masked {
		return append(b, payload...)
	}
	b[1] |= 0x80
	b = append(b, key...)
	at := len(b)
	b = append(b, payload...)
	for i := range len(payload) {
		b[at+i] ^= key[i%4]
	}
	return b
}

// readReply reads the response's head.
func readReply(br *bufio.Reader) (status, extensions string, err error) {
	for first := true; ; first = false {
		line, err := br.ReadString('\n')
		if err != nil {
			return status, "", err
		}
		line = strings.TrimSpace(line)
		if line == "" {
			return status, extensions, nil
		}
		if first {
			status = strings.Fields(line)[1]
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Sec-WebSocket-Extensions") {
			extensions = strings.TrimSpace(value)
		}
	}
}

// readServerFrame reads a whole message or control frame and checks that the server keeps
// the protocol.
func readServerFrame(br *bufio.Reader, packed bool) (s seen, err error) {
	h, err := br.Peek(2)
	if err != nil {
		return s, err
	}
	first, n := h[0], int(h[1])
	br.Discard(2)
	if first&0x80 == 0 || first&0x30 != 0 || n > 127 {
		return s, fmt.Errorf("a frame that the server may not send: %x", h)
	}
	switch n {
	case 126:
		var b [2]byte
		io.ReadFull(br, b[:])
		if n = int(binary.BigEndian.Uint16(b[:])); n < 126 {
			return s, errors.New("a length that is not minimal")
		}
	case 127:
		var b [8]byte
		io.ReadFull(br, b[:])
		if n = int(binary.BigEndian.Uint64(b[:])); n < 65536 {
			return s, errors.New("a length that is not minimal")
		}
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(br, payload); err != nil {
		return s, err
	}
	if first&0x40 != 0 {
		if !packed || first&15 > 2 {
			return s, errors.New("RSV1 where it may not be")
		}
		if payload, err = standardInflate(nil, payload); err != nil {
			return s, err
		}
	}
	s.payload = string(payload)
	switch first & 15 {
	case 1:
		if s.kind = "text"; !utf8.Valid(payload) {
			return s, errors.New("text that is not UTF-8")
		}
	case 2:
		s.kind = "bin"
	case 10:
		s.kind = "pong"
	case 8:
		s.kind = "close"
		code, _, bad := parseClose(payload)
		if bad != nil {
			return s, bad
		}
		s.payload = strconv.Itoa(int(code))
	default:
		return s, fmt.Errorf("opcode %d", first&15)
	}
	return s, nil
}

// matches holds what was seen against an outcome: an automaton over the events wanted.
func (o *outcome) matches(got []seen, end string) bool {
	if o.end != "any" && o.end != end {
		return false
	}
	at := make([]bool, len(o.events)+1)
	at[0] = true
	skip := func() {
		for i, e := range o.events {
			if at[i] && e.optional {
				at[i+1] = true
			}
		}
	}
	skip()
	for _, s := range got {
		next := make([]bool, len(at))
		for i, e := range o.events {
			next[i+1] = at[i] && e.is(s)
		}
		at = next
		skip()
	}
	return at[len(o.events)] || o.end == "any" && len(got) == 0
}

func (e *wanted) is(s seen) bool {
	switch {
	case e.kind != s.kind:
		return false
	case e.payload == "_":
		return true
	case e.kind == "close":
		return strings.Contains("|"+e.payload+"|", "|"+s.payload+"|")
	case e.kind == "http":
		return strings.Contains("|"+e.payload+"|", "|"+s.payload+"|") || strings.Contains("|"+e.payload+"|", "|"+s.payload[:1]+"xx|")
	case e.size >= 0:
		return len(s.payload) == e.size
	}
	return e.payload == s.payload
}

// play plays a case and returns what is wrong.
func (c *wsCase) play(t *testing.T, addr string, cut func(b []byte, write func([]byte))) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	open := c.handshake
	if open == "" {
		open = "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		if c.offer != "" {
			open += "Sec-WebSocket-Extensions: " + c.offer + "\r\n"
		}
		for _, f := range c.fields {
			open += f + "\r\n"
		}
		open += "\r\n"
	}
	open = strings.NewReplacer("{path}", "/", "{host}", addr).Replace(open)
	write := func(b []byte) { nc.Write(b) } // an error shows in what comes back
	first := []byte(open)
	steps := c.steps
	if c.early {
		for _, s := range steps {
			first = append(first, caseFrame(t, s, false)...)
		}
		steps = nil
	}
	cut(first, write)
	br := bufio.NewReader(nc)
	status, extensions, err := readReply(br)
	var got []seen
	end := "end"
	if status != "101" {
		if status != "" {
			got = append(got, seen{"http", status})
		}
		return c.judge(got, end)
	}
	if c.ext != "" && !regexp.MustCompile(c.ext).MatchString(extensions) || c.noext != "" && regexp.MustCompile(c.noext).MatchString(extensions) {
		return fmt.Errorf("extensions: %q", extensions)
	}
	packed := strings.Contains(extensions, packingName)
	done := make(chan error, 1)
	go func() {
		for {
			s, err := readServerFrame(br, packed)
			if err != nil {
				done <- err
				return
			}
			if s == (seen{"text", "the probe"}) {
				end = "open"
				done <- nil
				return
			}
			if s != (seen{"pong", "the probe"}) {
				got = append(got, s)
			}
		}
	}()
	for _, s := range steps {
		word, rest, _ := strings.Cut(s, " ")
		switch word {
		case "pause":
			n, _ := strconv.Atoi(rest)
			time.Sleep(time.Duration(n) * time.Millisecond)
		case "shut":
			nc.(*net.TCPConn).CloseWrite()
		case "raw":
			cut([]byte(payloadOf(t, rest)), write)
		case "times":
			n, line, _ := strings.Cut(rest, " ")
			k, _ := strconv.Atoi(n)
			cut(bytes.Repeat(caseFrame(t, line, packed), k), write)
		default:
			cut(caseFrame(t, s, packed), write)
		}
	}
	probe := len(c.wants) == 0
	for _, w := range c.wants {
		probe = probe || w.end == "open"
	}
	if probe {
		write(caseFrame(t, `frame F ping "the probe"`, packed))
		write(caseFrame(t, `frame F text "the probe"`, packed))
	}
	waits := 20 * time.Second
	for _, w := range c.wants {
		if w.end == "any" {
			waits = 300 * time.Millisecond // nothing need come
		}
	}
	select {
	case err = <-done:
	case <-time.After(waits):
		nc.Close()
		<-done
		end = "waiting"
	}
	if err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		return err
	}
	return c.judge(got, end)
}

func (c *wsCase) judge(got []seen, end string) error {
	for i := range c.wants {
		if c.wants[i].matches(got, end) {
			return nil
		}
	}
	text := fmt.Sprintf("%.300q", got)
	return fmt.Errorf("%s, %s", text, end)
}

// TestCases plays the cases against both ways to receive: whole, byte by byte and in random
// pieces. Of what is cut, it plays every third, and all with LITHAIR_LONG=1.
func TestCases(t *testing.T) {
	cuts := map[string]func(b []byte, write func([]byte)){
		"whole": func(b []byte, write func([]byte)) { write(b) },
		"bytes": func(b []byte, write func([]byte)) {
			for i := range b[:min(len(b), 400)] {
				write(b[i : i+1])
			}
			if len(b) > 400 {
				write(b[400:])
			}
		},
		"random": func(b []byte, write func([]byte)) {
			r := rand.New(rand.NewPCG(uint64(len(b)), 6))
			for len(b) > 0 {
				n := min(len(b), 1+r.IntN(1+len(b)/3))
				write(b[:n])
				b = b[n:]
			}
		},
	}
	cases := readCases(t)
	cfg := Config{Limits: Limits{MaxMessageBytes: 8 << 20}}
	for way, h := range map[string]wire.Handler{
		"handled": newTestServer(t, cfg).Handler(echo),
		"read":    newTestServer(t, cfg).Func(echoByReading),
	} {
		addr := serveHTTP(t, h)
		for name, cut := range cuts {
			t.Run(way+"/"+name, func(t *testing.T) {
				count := map[string]int{}
				for i, c := range cases {
					if name != "whole" && os.Getenv("LITHAIR_LONG") == "" && i%3 > 0 {
						continue
					}
					count[c.level]++
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						if err := c.play(t, addr, cut); err != nil {
							t.Errorf("%s: %v", c.level, err)
						}
					})
				}
				t.Logf("%v cases of %d", count, len(cases))
			})
		}
	}
}
