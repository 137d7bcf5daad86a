package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// frame is a frame as it stands on the wire, in the plain form that the tests compare with:
// it is read and written here without a line of what is tested.
type frame struct {
	fin     bool
	rsv     byte // RSV1 4, RSV2 2, RSV3 1
	op      byte
	payload []byte
}

const testKey = "\x37\xfa\x21\x3d"

// bytes writes a frame; a client's is masked.
func (f frame) bytes(client bool) []byte {
	first := f.rsv<<4 | f.op
	if f.fin {
		first |= 0x80
	}
	b := []byte{first}
	mask := byte(0)
	if client {
		mask = 0x80
	}
	switch n := len(f.payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = append(b, mask|126, byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !client {
		return append(b, f.payload...)
	}
	b = append(b, testKey...)
	for i, c := range f.payload {
		b = append(b, c^testKey[i%4])
	}
	return b
}

// readFrame reads a frame of the side under test and checks what holds for every frame.
func readFrame(br *bufio.Reader, fromClient bool) (f frame, key [4]byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return f, key, err
	}
	f.fin, f.rsv, f.op = head[0]&0x80 != 0, head[0]>>4&7, head[0]&15
	if masked := head[1]&0x80 != 0; masked != fromClient {
		return f, key, fmt.Errorf("masked: %v", masked)
	}
	n := uint64(head[1] & 0x7F)
	least := uint64(0)
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(br, b[:])
		n, least = uint64(binary.BigEndian.Uint16(b[:])), 126
	case 127:
		var b [8]byte
		_, err = io.ReadFull(br, b[:])
		n, least = binary.BigEndian.Uint64(b[:]), 1<<16
	}
	switch {
	case err != nil:
		return f, key, err
	case n < least || n > 1<<28:
		return f, key, fmt.Errorf("a length of %d", n)
	case f.op >= 8 && (n > 125 || !f.fin || f.rsv != 0):
		return f, key, fmt.Errorf("a control frame %+v of %d bytes", f, n)
	case f.rsv&3 != 0 || f.op > 10 || f.op > 2 && f.op < 8:
		return f, key, fmt.Errorf("a frame of opcode %d with bits %d", f.op, f.rsv)
	}
	if fromClient {
		if _, err := io.ReadFull(br, key[:]); err != nil {
			return f, key, err
		}
	}
	f.payload = make([]byte, n)
	if _, err := io.ReadFull(br, f.payload); err != nil {
		return f, key, errors.Join(errors.New("a frame that breaks off"), err)
	}
	for i := range f.payload {
		f.payload[i] ^= key[i%4]
	}
	return f, key, nil
}

// peer is the other side of a connection under test, played by hand.
type peer struct {
	net.Conn
	br     *bufio.Reader
	client bool   // it plays the client: the server is tested
	head   string // of the other side's request or response
}

// read reads a frame of the side under test.
func (p *peer) read() (frame, error) {
	f, _, err := readFrame(p.br, !p.client)
	return f, err
}

// send sends frames. An error shows in what comes back.
func (p *peer) send(frames ...frame) {
	for _, f := range frames {
		p.Write(f.bytes(p.client))
	}
}

// readHead reads the head of a request or response.
func readHead(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

func fieldOf(head, name string) string {
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// asClient connects to a server by hand. lines are further lines of the request.
func asClient(t testing.TB, addr string, lines ...string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute))
	p := &peer{Conn: nc, br: bufio.NewReaderSize(nc, 64<<10), client: true}
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", addr)
	for _, l := range lines {
		fmt.Fprintf(nc, "%s\r\n", l)
	}
	fmt.Fprint(nc, "\r\n")
	if p.head, err = readHead(p.br); err != nil {
		t.Fatalf("%q, %v", p.head, err)
	}
	return p
}

// asServer listens for one client and plays a server with it. The response gets the accept
// value where it says {accept}.
func asServer(t testing.TB, response string, play func(p *peer)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	played := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-played })
	go func() {
		defer close(played)
		nc, err := l.Accept()
		if err != nil {
			return // the client did not come
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		p := &peer{Conn: nc, br: bufio.NewReaderSize(nc, 64<<10)}
		if p.head, err = readHead(p.br); err != nil {
			return
		}
		io.WriteString(nc, strings.ReplaceAll(response, "{accept}", acceptOf(fieldOf(p.head, "Sec-WebSocket-Key"))))
		if play != nil {
			play(p)
		}
	}()
	return l.Addr().String()
}

const goodResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"

func closeFrame(code int, reason string) frame {
	return frame{fin: true, op: 8, payload: append([]byte{byte(code >> 8), byte(code)}, reason...)}
}

// closeCode is the code of a close frame's payload; 0: none.
func closeCode(payload []byte) int {
	if len(payload) < 2 {
		return 0
	}
	return int(payload[0])<<8 | int(payload[1])
}

// awaitClose reads until a close frame and returns its code; messages before it are dropped.
func (p *peer) awaitClose() (int, error) {
	for {
		f, err := p.read()
		if err != nil {
			return 0, err
		}
		if f.op == 8 {
			return closeCode(f.payload), nil
		}
	}
}

// eventually waits for a condition of another goroutine's making.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func repeated(s string, n int) []byte { return bytes.Repeat([]byte(s), n/len(s)+1)[:n] }
