package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileHandshakes: a client refuses every response that does not keep to what it
// asked for (RFC 6455 §4.1, RFC 7692 §7.1), and says why.
func TestHostileHandshakes(t *testing.T) {
	up := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	ext := func(s string) string { return goodResponse + "Sec-WebSocket-Extensions: " + s + "\r\n\r\n" }
	agreed := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for name, c := range map[string]struct{ response, want string }{
		"right":                    {goodResponse + "\r\n", ""},
		"with compression":         {ext(agreed), ""},
		"with windows":             {ext(agreed + "; client_max_window_bits=9; server_max_window_bits=10"), ""},
		"with an empty extension":  {ext(""), ""},
		"the subprotocol":          {goodResponse + "Sec-WebSocket-Protocol: chat\r\n\r\n", ""},
		"in other letters":         {strings.NewReplacer("Upgrade: websocket", "upgrade: WebSocket", "Connection: Upgrade", "CONNECTION: keep-alive, upgrade").Replace(goodResponse) + "\r\n", ""},
		"no accept":                {up + "\r\n", "does not answer the key"},
		"another accept":           {up + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "does not answer the key"},
		"an accept of other case":  {up + "Sec-WebSocket-Accept: x{accept}\r\n\r\n", "does not answer the key"},
		"two accepts":              {goodResponse + "Sec-WebSocket-Accept: {accept}\r\n\r\n", "does not answer the key"},
		"no Upgrade":               {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n", "upgrade"},
		"no Connection":            {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n", "upgrade"},
		"another protocol":         {strings.Replace(goodResponse, "websocket", "h2c", 1) + "\r\n", "upgrade"},
		"a page":                   {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "status 200"},
		"an error":                 {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "status 403"},
		"a redirect":               {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "status 302"},
		"a subprotocol of its own": {goodResponse + "Sec-WebSocket-Protocol: evil\r\n\r\n", "subprotocol that was not offered"},
		"two subprotocols":         {goodResponse + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n", "two subprotocols"},
		"a list of subprotocols":   {goodResponse + "Sec-WebSocket-Protocol: chat, other\r\n\r\n", "subprotocol that was not offered"},
		"another extension":        {ext("x-webkit-deflate-frame"), "not offered"},
		"an extension twice":       {ext(agreed + ", " + agreed), "twice"},
		"an unknown parameter":     {ext(agreed + "; level=9"), "parameters"},
		"a parameter twice":        {ext(agreed + "; server_no_context_takeover"), "parameters"},
		"a value too many":         {ext("permessage-deflate; client_no_context_takeover; server_no_context_takeover=1"), "parameters"},
		"a window too small":       {ext(agreed + "; server_max_window_bits=7"), "parameters"},
		"a window too large":       {ext(agreed + "; client_max_window_bits=16"), "parameters"},
		"a window of zeros":        {ext(agreed + "; client_max_window_bits=09"), "parameters"},
		"a window without a value": {ext(agreed + "; client_max_window_bits"), "parameters"},
		"takeover all the same":    {ext("permessage-deflate; client_no_context_takeover"), "was refused"},
		"malformed":                {ext("permessage-deflate;;"), "malformed"},
		"a quote without end":      {ext(agreed + "; server_max_window_bits=\"10"), "malformed"},
		"truncated":                {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websock", "Dial"},
		"nothing":                  {"", "Dial"},
		"no HTTP":                  {"SSH-2.0-OpenSSH_9.6\r\n\r\n", "Dial"},
		"huge fields":              {up + "X: " + strings.Repeat("x", 8<<20) + "\r\n\r\n", "Dial"},
		"many fields":              {up + strings.Repeat("X: x\r\n", 100_000) + "\r\n", "Dial"},
		"bare CR":                  {goodResponse + "X: a\rb\r\n\r\n", "Dial"},
		"with a body announced":    {goodResponse + "Content-Length: 5\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := asServer(t, c.response, nil)
			conn, err := Dial(t.Context(), "ws://"+addr+"/", DialConfig{Subprotocols: []string{"chat"}})
			switch {
			case c.want == "" && err != nil:
				if name != "with a body announced" { // refusing that is as good
					t.Errorf("refused: %v", err)
				}
			case c.want != "" && err == nil:
				t.Error("accepted")
			case c.want != "" && !strings.Contains(err.Error(), c.want):
				t.Errorf("%v; want %q", err, c.want)
			}
			if err == nil {
				conn.CloseNow()
			}
		})
	}
}

// TestDialEndsWithContext: a server that never answers, or never ends its head, holds
// nobody for longer than the context.
func TestDialEndsWithContext(t *testing.T) {
	for name, drip := range map[string]string{"silent": "", "endless": "X: x\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := asServer(t, "", func(p *peer) {
				if drip == "" {
					io.Copy(io.Discard, p) // until the client is gone
					return
				}
				for _, err := io.WriteString(p, "HTTP/1.1 101 x\r\n"); err == nil; _, err = io.WriteString(p, drip) {
					time.Sleep(10 * time.Millisecond)
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if _, err := Dial(ctx, "ws://"+addr+"/", DialConfig{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestHostileServers: what a server may not send closes the client's connection with the
// right code, told by a close frame of its own, masked.
func TestHostileServers(t *testing.T) {
	packed := "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	hello := []byte("hello")
	masked := frame{fin: true, op: 1, payload: hello}.bytes(true)
	raw := func(fs ...frame) (b []byte) {
		for _, f := range fs {
			b = append(b, f.bytes(false)...)
		}
		return b
	}
	for name, c := range map[string]struct {
		ext   string
		bytes []byte
		code  int // that the client closes with; 0: the hostile bytes do no harm
	}{
		"a masked frame":              {"", masked, 1002},
		"compressed, not negotiated":  {"", raw(frame{fin: true, rsv: 4, op: 1, payload: hello}), 1002},
		"RSV2":                        {packed, raw(frame{fin: true, rsv: 2, op: 1, payload: hello}), 1002},
		"RSV3":                        {packed, raw(frame{fin: true, rsv: 1, op: 1, payload: hello}), 1002},
		"RSV1 on a ping":              {packed, raw(frame{fin: true, rsv: 4, op: 9}), 1002},
		"RSV1 on a continuation":      {packed, raw(frame{op: 1, payload: hello}, frame{fin: true, rsv: 4, payload: hello}), 1002},
		"a reserved opcode":           {"", raw(frame{fin: true, op: 3}), 1002},
		"a reserved control opcode":   {"", raw(frame{fin: true, op: 11}), 1002},
		"a fragmented ping":           {"", raw(frame{op: 9, payload: hello}), 1002},
		"a long ping":                 {"", raw(frame{fin: true, op: 9, payload: make([]byte, 126)}), 1002},
		"a continuation of nothing":   {"", raw(frame{fin: true, payload: hello}), 1002},
		"a message within another":    {"", raw(frame{op: 1, payload: hello}, frame{fin: true, op: 2}), 1002},
		"a length in a long form":     {"", []byte{0x82, 126, 0, 125}, 1002},
		"a length with its top bit":   {"", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, 1002},
		"a length beyond all":         {"", []byte{0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255}, 1009},
		"close, one byte":             {"", raw(frame{fin: true, op: 8, payload: []byte{3}}), 1002},
		"close with 1005":             {"", raw(closeFrame(1005, "")), 1002},
		"close with 1006":             {"", raw(closeFrame(1006, "")), 1002},
		"close with 1015":             {"", raw(closeFrame(1015, "")), 1002},
		"close with 999":              {"", raw(closeFrame(999, "")), 1002},
		"close with 2999":             {"", raw(closeFrame(2999, "")), 1002},
		"close with 5000":             {"", raw(closeFrame(5000, "")), 1002},
		"a reason that is not UTF-8":  {"", raw(closeFrame(1000, "\xff")), 1007},
		"text that is not UTF-8":      {"", raw(frame{fin: true, op: 1, payload: []byte("a\xc0\xaf")}), 1007},
		"half a character at the end": {"", raw(frame{fin: true, op: 1, payload: []byte("a\xe2\x82")}), 1007},
		"corrupt compression":         {packed, raw(frame{fin: true, rsv: 4, op: 1, payload: []byte{0xff, 0xff, 0xff}}), 1007},
		"a bomb":                      {packed, raw(frame{fin: true, rsv: 4, op: 2, payload: standardDeflate(t, nil, make([]byte, 50<<20), 9)}), 1009},
		"endless fragments":           {"", raw(append([]frame{{op: 2}}, repeatFrame(frame{payload: make([]byte, 1000)}, 3000)...)...), 1009},
		"fragments of nothing":        {"", raw(append([]frame{{op: 2}}, append(repeatFrame(frame{}, 100_000), frame{fin: true})...)...), 0},
		"a storm of pings":            {"", raw(append(repeatFrame(frame{fin: true, op: 9, payload: hello}, 20_000), frame{fin: true, op: 2})...), 0},
		"a storm of pongs":            {"", raw(append(repeatFrame(frame{fin: true, op: 10, payload: hello}, 100_000), frame{fin: true, op: 2})...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, told := 0, make(chan error, 1)
			addr := asServer(t, goodResponse+c.ext+"\r\n", func(p *peer) {
				go p.Write(c.bytes) // it may be refused in the middle
				var err error
				code, err = p.awaitClose()
				told <- err
			})
			conn := dialTest(t, addr, DialConfig{})
			_, data, err := conn.Read(t.Context())
			if c.code == 0 {
				if err != nil || len(data) != 0 {
					t.Fatalf("%d bytes, %v", len(data), err)
				}
				conn.Write(t.Context(), Binary, nil) // it still works
				go conn.Close(CloseNormal, "")
				if err := <-told; err != nil || code != 1000 {
					t.Errorf("%d, %v", code, err)
				}
				return
			}
			bad, ok := errors.AsType[*ProtocolError](err)
			if !ok || int(bad.Code) != c.code {
				t.Fatalf("%v, want %d", err, c.code)
			}
			if err := <-told; err != nil || code != c.code {
				t.Errorf("the server was told %d, %v", code, err)
			}
		})
	}
}

func repeatFrame(f frame, n int) []frame {
	all := make([]frame, n)
	for i := range all {
		all[i] = f
	}
	return all
}

// TestCloseStorm: a server that goes on after its close frame is answered once, and let go
// of.
func TestCloseStorm(t *testing.T) {
	answers := make(chan int, 1)
	addr := asServer(t, goodResponse+"\r\n", func(p *peer) {
		go func() {
			for range 10_000 {
				if _, err := p.Write(closeFrame(1000, "again").bytes(false)); err != nil {
					return
				}
			}
		}()
		n := 0
		for f, err := p.read(); err == nil; f, err = p.read() {
			if f.op == 8 {
				n++
			}
			if n == 1 {
				break
			}
		}
		answers <- n
		io.Copy(io.Discard, p)
	})
	c := dialTest(t, addr, DialConfig{Limits: Limits{CloseTimeout: 100 * time.Millisecond}})
	_, _, err := c.Read(t.Context())
	if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != CloseNormal || e.Reason != "again" {
		t.Errorf("%v", err)
	}
	if n := <-answers; n != 1 {
		t.Errorf("%d answers", n)
	}
	<-c.Done()
}

// TestTruncatedConnections: a connection that ends anywhere within a frame is told apart
// from one that was closed.
func TestTruncatedConnections(t *testing.T) {
	whole := frame{fin: true, op: 2, payload: repeated("x", 300)}.bytes(false)
	for _, cut := range []int{0, 1, 2, 3, 4, 5, 100, len(whole) - 1} {
		addr := asServer(t, goodResponse+"\r\n", func(p *peer) { p.Write(whole[:cut]) })
		c := dialTest(t, addr, DialConfig{})
		_, _, err := c.Read(t.Context())
		if _, closed := errors.AsType[*CloseError](err); err == nil || closed {
			t.Errorf("after %d bytes: %v", cut, err)
		}
		<-c.Done()
	}
}

// TestGoroutinesEnd: nothing is left of connections that ended in any of these ways.
func TestGoroutinesEnd(t *testing.T) {
	s := newTestServer(t, Config{})
	addr := serveHTTP(t, s.Handler(echo))
	closed := dialTest(t, addr, DialConfig{}) // what all share exists from now on
	if err := closed.Close(CloseNormal, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end", func() bool { return s.Len() == 0 })
	before := runtime.NumGoroutine()
	for i := range 60 {
		c := dialTest(t, addr, DialConfig{})
		if err := c.Write(t.Context(), Text, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			c.CloseNow()
		case 1:
			if err := c.Close(CloseNormal, ""); err != nil {
				t.Error(err)
			}
		default:
			c.nc.Close()
			c.Read(t.Context())
		}
	}
	eventually(t, "no connection", func() bool { return s.Len() == 0 })
	eventually(t, "no goroutine more than before", func() bool { return runtime.NumGoroutine() <= before+2 })
}
