package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// suiteCase is what the tester sends to an echo, and what must come back.
type suiteCase struct {
	id    string // category.group.number
	sent  []frame
	raw   []byte // sent instead of frames
	chop  int    // bytes of one write; 0: all
	want  []happening
	code  int  // that the echo closes with; 0: it goes on, and answers a close of the tester's
	reply bool // code answers a close frame of the tester's
}

func text(s string) frame { return frame{fin: true, op: 1, payload: []byte(s)} }
func bin(b []byte) frame  { return frame{fin: true, op: 2, payload: b} }
func ping(s string) frame { return frame{fin: true, op: 9, payload: []byte(s)} }
func part(op byte, fin bool, s string) frame {
	return frame{op: op, fin: fin, payload: []byte(s)}
}
func echoes(kinds ...string) (all []happening) { // kind, data, kind, data
	for i := 0; i < len(kinds); i += 2 {
		all = append(all, happening{kinds[i], kinds[i+1]})
	}
	return all
}

// suite is the table: framing (1), pings (2), reserved bits (3), opcodes (4), fragmentation
// (5), UTF-8 (6), close handling (7), limits (9) and automatic fragmentation (10), as RFC
// 6455 has them.
func suite(long bool) (all []suiteCase) {
	group := map[string]int{}
	add := func(g string, c suiteCase) {
		group[g]++
		c.id = g + "." + strconv.Itoa(group[g])
		all = append(all, c)
	}
	good := func(g string, want []happening, frames ...frame) { add(g, suiteCase{sent: frames, want: want}) }
	bad := func(g string, code int, want []happening, frames ...frame) {
		add(g, suiteCase{sent: frames, want: want, code: code})
	}
	for _, kind := range []byte{1, 2} { // §5.2: each form of the length, whole and in pieces
		for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
			payload := string(repeated("*", n))
			for _, chop := range []int{0, 997} {
				add(fmt.Sprintf("1.%d", kind), suiteCase{sent: []frame{part(kind, true, payload)}, chop: chop, want: echoes(Opcode(kind).String(), payload)})
			}
		}
	}
	for _, s := range []string{"", "Hello, world!", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", string(repeated("\xfe", 125))} { // §5.5.2
		good("2.1", echoes("pong", s), ping(s))
		add("2.2", suiteCase{sent: []frame{ping(s)}, chop: 1, want: echoes("pong", s)})
		good("2.3", nil, frame{fin: true, op: 10, payload: []byte(s)}) // unasked: ignored
		good("2.4", echoes("pong", "p", "text", "t"), frame{fin: true, op: 10, payload: []byte(s)}, ping("p"), text("t"))
	}
	bad("2.5", 1002, nil, ping(string(make([]byte, 126))))
	var many []frame
	var pongs []happening
	for i := range 10 {
		many = append(many, ping(fmt.Sprint("payload-", i)))
		pongs = append(pongs, happening{"pong", fmt.Sprint("payload-", i)})
	}
	good("2.6", pongs, many...)
	add("2.6", suiteCase{sent: many, want: pongs, chop: 1})
	for rsv := byte(1); rsv < 8; rsv++ { // §5.2: no extension is negotiated
		for _, op := range []byte{1, 2, 8, 9, 10} {
			bad("3."+fmt.Sprint(rsv), 1002, echoes("text", "before"), text("before"), frame{fin: true, rsv: rsv, op: op}, ping("late"))
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} { // §5.2
		for _, s := range []string{"", "reserved opcode payload"} {
			bad("4.1", 1002, nil, frame{fin: true, op: op, payload: []byte(s)})
			bad("4.2", 1002, echoes("text", "before"), text("before"), frame{fin: true, op: op, payload: []byte(s)}, ping("late"))
		}
	}
	// §5.4
	bad("5.1", 1002, nil, part(9, false, "fragment"), part(0, true, "ed"))
	bad("5.1", 1002, nil, part(10, false, "fragment"), part(0, true, "ed"))
	bad("5.1", 1002, nil, part(8, false, ""), part(0, true, ""))
	for _, chop := range []int{0, 1} {
		fragments := []frame{part(1, false, "fragment1"), part(0, true, "fragment2")}
		whole := happening{"text", "fragment1fragment2"}
		add("5.2", suiteCase{sent: fragments, chop: chop, want: []happening{whole}})
		add("5.2", suiteCase{sent: []frame{fragments[0], ping("between"), fragments[1]}, chop: chop, want: []happening{{"pong", "between"}, whole}})
		add("5.2", suiteCase{sent: []frame{part(1, false, ""), part(0, false, ""), part(0, true, "")}, chop: chop, want: echoes("text", "")})
		add("5.2", suiteCase{sent: []frame{part(1, false, ""), part(0, false, "middle"), part(0, true, "")}, chop: chop, want: echoes("text", "middle")})
		add("5.2", suiteCase{sent: []frame{part(1, false, "1"), part(0, false, "2"), ping("a"), part(0, false, "3"), part(0, false, "4"), ping("b"), part(0, true, "5")}, chop: chop, want: echoes("pong", "a", "pong", "b", "text", "12345")})
		add("5.3", suiteCase{sent: []frame{part(0, true, "no message"), text("hello")}, chop: chop, code: 1002})
		add("5.3", suiteCase{sent: []frame{part(0, false, "no message"), text("hello")}, chop: chop, code: 1002})
		add("5.3", suiteCase{sent: []frame{part(1, false, "1"), part(0, true, "2"), part(0, false, "3")}, chop: chop, want: echoes("text", "12"), code: 1002})
		add("5.3", suiteCase{sent: []frame{part(1, false, "1"), part(1, true, "2")}, chop: chop, code: 1002})
		add("5.3", suiteCase{sent: []frame{part(1, false, "1"), part(2, true, "2")}, chop: chop, code: 1002})
	}
	suiteText(add)
	suiteClose(add)
	sizes := []int{64 << 10, 256 << 10, 1 << 20, 4 << 20}
	if long {
		sizes = append(sizes, 8<<20, 16<<20)
	}
	for kind := byte(1); kind <= 2; kind++ {
		name := Opcode(kind).String()
		for _, n := range sizes {
			payload := string(repeated("BAsd7&jh23", n))
			add(fmt.Sprintf("9.%d", kind), suiteCase{sent: []frame{part(kind, true, payload)}, want: echoes(name, payload)})
		}
		payload := string(repeated("BAsd7&jh23", sizes[len(sizes)-1]/4))
		for _, size := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			add(fmt.Sprintf("9.%d", 2+kind), suiteCase{sent: fragmented(kind, payload, size), want: echoes(name, payload)})
		}
		payload = string(repeated("BAsd7&jh23", 1<<20))
		for _, chop := range []int{64, 128, 256, 512, 1024, 2048} {
			add(fmt.Sprintf("9.%d", 4+kind), suiteCase{sent: []frame{part(kind, true, payload)}, chop: chop, want: echoes(name, payload)})
		}
		for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
			var c suiteCase
			for i := range 1000 {
				payload := string(repeated(fmt.Sprint(i, " "), n))
				c.sent = append(c.sent, part(kind, true, payload))
				c.want = append(c.want, happening{name, payload})
			}
			add(fmt.Sprintf("9.%d", 6+kind), c)
		}
	}
	add("10.1", suiteCase{sent: fragmented(1, string(repeated("*", 65536)), 1300), want: echoes("text", string(repeated("*", 65536)))})
	return all
}

func fragmented(op byte, s string, size int) (all []frame) {
	for {
		n := min(len(s), size)
		all = append(all, part(op, n == len(s), s[:n]))
		if s, op = s[n:], 0; s == "" {
			return all
		}
	}
}

// suiteText is category 6: RFC 3629 by its edges; each text whole, in fragments of one byte
// and byte by byte, and what is wrong told before the rest of it comes (§8.1).
func suiteText(add func(string, suiteCase)) {
	right := []string{"", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ufffd", "\uffff", "\ufffe", "\ud7ff", "\ue000", "\U00010000", "\U0010ffff", "\U0001fffe", "\U0010fffe", "漢字🙂", string(repeated("漢", 3000))}
	for plane := rune(0x1fffe); plane <= 0x10ffff; plane += 0x10000 {
		right = append(right, string(plane), string(plane+1))
	}
	for _, s := range right {
		add("6.1", suiteCase{sent: []frame{text(s)}, want: echoes("text", s)})
		add("6.2", suiteCase{sent: fragmented(1, s, 1), want: echoes("text", s)})
		add("6.3", suiteCase{sent: []frame{text(s)}, chop: 1, want: echoes("text", s)})
	}
	wrong := []string{ // the last byte is the first that cannot be
		"\x80", "\xbf", "a\x80", "\xc0", "\xc1", "\xe0\x80", "\xe0\x9f", "\xf0\x80", "\xf0\x8f", "\xf5", "\xf8", "\xfc", "\xfe", "\xff",
		"\xed\xa0", "\xed\xaf", "\xed\xb0", "\xed\xbf", "\xf4\x90", "\xc2a", "\xc2\xc2", "\xe2\x82a", "\xe2a", "\xf0\x9f\x99a", "\xf0\x9fa", "κόσμε\xed\xa0", "κόσμε\xf4\x90", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf8",
	}
	for _, s := range wrong {
		if utf8.ValidString(s) {
			panic(s)
		}
		add("6.4", suiteCase{sent: []frame{text(s + "edited")}, code: 1007})
		bytewise := fragmented(1, s, 1)
		bytewise[len(s)-1].fin = false
		add("6.5", suiteCase{sent: bytewise, code: 1007})
		add("6.6", suiteCase{sent: []frame{part(1, false, s[:len(s)-1]), part(0, false, s[len(s)-1:])}, code: 1007})
		cut := text(s + strings.Repeat("never sent", 100))
		add("6.7", suiteCase{sent: []frame{cut}, raw: []byte(s), code: 1007}) // raw: only so much of the payload
	}
	for _, s := range []string{"\xc2", "\xe2\x82", "\xf0\x9f\x99", "a\xf0"} { // right so far, and at an end
		add("6.8", suiteCase{sent: []frame{text(s)}, code: 1007})
		add("6.8", suiteCase{sent: []frame{part(1, false, s), part(0, true, "")}, code: 1007})
		add("6.8", suiteCase{sent: []frame{bin([]byte(s))}, want: echoes("binary", s)})
	}
}

// suiteClose is category 7 (§5.5.1, §7).
func suiteClose(add func(string, suiteCase)) {
	closing := func(g string, code int, want []happening, frames ...frame) {
		add(g, suiteCase{sent: frames, want: want, code: code, reply: true})
	}
	raw := func(payload string) frame { return frame{fin: true, op: 8, payload: []byte(payload)} }
	closing("7.1", 1000, echoes("text", "Hello"), text("Hello"), closeFrame(1000, ""))
	closing("7.1", 1000, nil, closeFrame(1000, ""), closeFrame(1000, ""))
	closing("7.1", 1000, nil, closeFrame(1000, ""), ping("late"))
	closing("7.1", 1000, nil, closeFrame(1000, ""), text("late"))
	closing("7.1", 1000, nil, part(1, false, "never ended"), closeFrame(1000, ""), part(0, true, "late"))
	closing("7.1", 1000, echoes("binary", string(repeated("x", 256<<10))), bin(repeated("x", 256<<10)), closeFrame(1000, ""), ping("late"))
	closing("7.3", 0, nil, raw(""))
	add("7.3", suiteCase{sent: []frame{raw("\x03")}, code: 1002})
	closing("7.3", 1000, nil, closeFrame(1000, ""))
	closing("7.3", 1000, nil, closeFrame(1000, "Hello World!"))
	closing("7.3", 1000, nil, closeFrame(1000, string(repeated("*", 123))))
	add("7.3", suiteCase{sent: []frame{closeFrame(1000, string(repeated("*", 124)))}, code: 1002})
	for _, s := range []string{"\xff", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", "\xe2\x82"} {
		add("7.5", suiteCase{sent: []frame{closeFrame(1000, s)}, code: 1007})
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		closing("7.7", code, nil, closeFrame(code, "x"))
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		add("7.9", suiteCase{sent: []frame{closeFrame(code, "x")}, code: 1002})
	}
}

// tested has a server or a client of this package echo to a peer.
func tested(t testing.TB, role, offer string, comp Compression, play func(p *peer)) {
	limits := Limits{MaxMessageBytes: 16 << 20, MaxQueuedBytes: 64 << 20}
	switch role {
	case "server", "reading server":
		s := newTestServer(t, Config{Compression: comp, Limits: limits})
		h := s.Handler(echo)
		if role == "reading server" {
			h = s.Func(echoByReading)
		}
		var lines []string
		if offer != "" {
			lines = append(lines, "Sec-WebSocket-Extensions: "+offer)
		}
		p := asClient(t, serveHTTP(t, h), lines...)
		if !strings.HasPrefix(p.head, "HTTP/1.1 101 ") {
			t.Fatalf("%q", p.head)
		}
		play(p)
		p.Close()
	default:
		response := goodResponse
		if offer != "" {
			response += "Sec-WebSocket-Extensions: " + offer + "\r\n"
		}
		played := make(chan struct{})
		addr := asServer(t, response+"\r\n", func(p *peer) { defer close(played); play(p) })
		c, err := Dial(t.Context(), "ws://"+addr+"/", DialConfig{Compression: comp, Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		go func() { defer c.CloseNow(); echoByReading(c) }()
		<-played
	}
}

// bytes is everything a case sends.
func (c *suiteCase) bytes(client bool) (b []byte) {
	for _, f := range c.sent {
		b = append(b, f.bytes(client)...)
	}
	if c.raw != nil { // the frame breaks off behind so much of its payload
		n := len(c.sent[0].bytes(client)) - len(c.sent[0].payload)
		b = b[:n+len(c.raw)]
	}
	return b
}

// play plays a case and returns what is wrong.
func (c *suiteCase) play(p *peer) error {
	b := c.bytes(p.client)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for len(b) > 0 {
			n := len(b)
			if c.chop > 0 {
				n = min(n, c.chop)
			}
			if _, err := p.Write(b[:n]); err != nil {
				return // what comes back says why
			}
			b = b[n:]
		}
	}()
	defer func() { p.SetWriteDeadline(longAgo); <-written }()
	var message []byte
	var kind byte
	said := false
	for i := 0; ; {
		if i == len(c.want) && c.code == 0 && !c.reply && !said {
			<-written
			p.send(closeFrame(1000, "done"))
			said = true
		}
		f, err := p.read()
		if err != nil {
			return fmt.Errorf("after %d of %d: %w", i, len(c.want), err)
		}
		switch f.op {
		case 8:
			want := c.code
			if said {
				want = 1000
			}
			if i < len(c.want) || closeCode(f.payload) != want || c.reply && len(f.payload) > 2 {
				return fmt.Errorf("closed with %d after %d of %d, want %d: %q", closeCode(f.payload), i, len(c.want), want, f.payload)
			}
			if !p.client {
				return nil // the tester is the server, and ends TCP
			}
			if f, err := p.read(); err != io.EOF && !(c.code != 0 && isReset(err)) {
				return fmt.Errorf("%+v, %v behind a close frame", f, err)
			}
			return nil
		case 9:
			continue
		case 10:
			if err := c.compare(i, "pong", f.payload); err != nil {
				return err
			}
			i++
			continue
		case 1, 2:
			kind, message = f.op, nil
		}
		if message = append(message, f.payload...); f.fin {
			if err := c.compare(i, Opcode(kind).String(), message); err != nil {
				return err
			}
			i++
		}
	}
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

func (c *suiteCase) compare(i int, kind string, data []byte) error {
	if i >= len(c.want) || c.want[i].kind != kind || c.want[i].data != string(data) {
		return fmt.Errorf("%d: %s of %d bytes, %.40q", i, kind, len(data), data)
	}
	return nil
}

// TestSuite plays the table against a server, by both ways to receive, and against a client.
func TestSuite(t *testing.T) {
	cases := suite(os.Getenv("LITHAIR_LONG") == "1")
	for _, role := range []string{"server", "reading server", "client"} {
		t.Run(role, func(t *testing.T) {
			count := map[string]int{}
			for _, c := range cases {
				category, _, _ := strings.Cut(c.id, ".")
				count[category]++
				tested(t, role, "", Compression{Off: true}, func(p *peer) {
					if err := c.play(p); err != nil {
						t.Errorf("%s: %v", c.id, err)
					}
				})
			}
			t.Logf("%d cases: %v", len(cases), count)
		})
	}
}

// codec is the tester's side of permessage-deflate, by the standard library.
type codec struct {
	sendTakeover, readTakeover bool
	readWindow                 int  // bytes the other side may refer back
	compressible               bool // what is sent
	sent, got                  []byte
}

func (z *codec) pack(t testing.TB, msg []byte, level int) []byte {
	if !z.sendTakeover {
		return standardDeflate(t, nil, msg, level)
	}
	payload := standardDeflate(t, z.sent, msg, level)
	z.sent = append(z.sent, msg...)
	z.sent = z.sent[max(0, len(z.sent)-32<<10):]
	return payload
}

func (z *codec) unpack(payload []byte) ([]byte, error) {
	if !z.readTakeover {
		return standardInflate(nil, payload)
	}
	msg, err := standardInflate(z.got, payload)
	z.got = append(z.got, msg...)
	z.got = z.got[max(0, len(z.got)-z.readWindow):]
	return msg, err
}

// suiteData are the kinds of data of category 12.
var suiteData = map[string]func(r *rand.Rand, n int) []byte{
	"large JSON": func(r *rand.Rand, n int) []byte { return benchText(n + 64)[r.IntN(64):][:n] },
	"prose":      func(r *rand.Rand, n int) []byte { return words32(r, n) },
	"zeros":      func(_ *rand.Rand, n int) []byte { return make([]byte, n) },
	"random": func(r *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	},
	"few values": func(r *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(4))
		}
		return b
	},
}

func words32(r *rand.Rand, n int) (b []byte) {
	list := strings.Fields("the of and to in is was he for it with as his on be at by had not are but from or have an they which one you were all her")
	for len(b) < n {
		b = append(append(b, list[r.IntN(len(list))]...), ' ')
	}
	return b[:n]
}

// suiteSizes: message size and size of its fragments; 0: one frame.
var suiteSizes = [][2]int{{16, 0}, {64, 0}, {256, 0}, {1 << 10, 0}, {4 << 10, 0}, {8 << 10, 0}, {16 << 10, 0}, {32 << 10, 0}, {64 << 10, 0}, {128 << 10, 0},
	{8 << 10, 256}, {16 << 10, 256}, {32 << 10, 256}, {64 << 10, 256}, {128 << 10, 256}, {128 << 10, 1 << 10}, {128 << 10, 4 << 10}, {128 << 10, 32 << 10}}

// suiteParameters are the combinations of category 13: what a client offers, and what a
// server agrees to.
var suiteParameters = []struct{ offer, agreement string }{
	{"permessage-deflate", "permessage-deflate"},
	{"permessage-deflate; server_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
	{"permessage-deflate; server_max_window_bits=9", "permessage-deflate; client_max_window_bits=9"},
	{"permessage-deflate; server_max_window_bits=15; client_max_window_bits", "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15"},
	{"permessage-deflate; server_no_context_takeover; server_max_window_bits=9", "permessage-deflate; client_no_context_takeover; client_max_window_bits=9"},
	{"permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=8", "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=8"},
	{"permessage-deflate; unknown, permessage-deflate; server_no_context_takeover; server_max_window_bits=12, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_max_window_bits=12"},
}

func windowOf(ext, name string) int {
	if _, v, ok := strings.Cut(ext, name+"="); ok {
		n, _ := strconv.Atoi(strings.TrimRight(v[:min(2, len(v))], ";, "))
		return 1 << n
	}
	return 1 << 15
}

// exchange sends count messages and takes them back; compressed at every level.
func exchange(t *testing.T, p *peer, z *codec, data func(*rand.Rand, int) []byte, size, fragment, count int) error {
	r := rand.New(rand.NewPCG(uint64(size), uint64(fragment)))
	packed := 0
	for i := range count {
		msg := data(r, size)
		payload := string(z.pack(t, msg, i%11-1))
		if fragment == 0 {
			fragment = max(1, len(payload))
		}
		frames := fragmented(2, payload, fragment)
		frames[0].rsv = 4
		var b []byte
		for _, f := range frames {
			b = append(b, f.bytes(p.client)...)
		}
		go p.Write(b) // it may be larger than what is taken before something is read
		var got []byte
		for first := true; ; first = false {
			f, err := p.read()
			if err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			if got = append(got, f.payload...); !f.fin {
				continue
			}
			if !first {
				return errors.New("in fragments")
			}
			if f.rsv == 4 {
				packed++
				if !z.readTakeover {
					checkWindow(t, f.payload, 0, z.readWindow)
				}
				if got, err = z.unpack(got); err != nil {
					return fmt.Errorf("message %d: %w", i, err)
				}
			}
			break
		}
		if !bytes.Equal(got, msg) {
			return fmt.Errorf("message %d: %d bytes, want %d", i, len(got), len(msg))
		}
	}
	if packed == 0 && size >= 4096 && z.compressible {
		return errors.New("nothing was compressed")
	}
	return nil
}

// TestSuiteCompressed is categories 12 and 13: kinds of data and parameters by sizes and
// counts, with and without takeover of its own.
func TestSuiteCompressed(t *testing.T) {
	count, sizes, long := 4, suiteSizes[:14], os.Getenv("LITHAIR_LONG") == "1"
	if long {
		count, sizes = 100, suiteSizes
	} else if testing.Short() {
		count, sizes = 2, [][2]int{suiteSizes[0], suiteSizes[6], suiteSizes[13]}
	}
	for _, role := range []string{"server", "client"} {
		for _, takeover := range []bool{true, false} {
			t.Run(fmt.Sprint(role, ", takeover ", takeover), func(t *testing.T) {
				t.Parallel()
				cases, messages := 0, 0
				play := func(id, ext string, data func(*rand.Rand, int) []byte, size, fragment int) {
					count := count
					if long {
						count = min(max(1<<20/size, 33), count)
					}
					cases, messages = cases+1, messages+count
					tested(t, role, ext, Compression{Takeover: takeover, MinBytes: 1}, func(p *peer) {
						agreed := ext
						if p.client {
							agreed = fieldOf(p.head, "Sec-WebSocket-Extensions")
						}
						mine, theirs := "client", "server"
						if !p.client {
							mine, theirs = theirs, mine
						}
						z := &codec{
							sendTakeover: !strings.Contains(agreed, mine+"_no_context_takeover"),
							readTakeover: !strings.Contains(agreed, theirs+"_no_context_takeover") && (p.client || takeover),
							readWindow:   windowOf(agreed, theirs+"_max_window_bits"),
							compressible: id != "12 random",
						}
						if want := windowOf(firstValid(ext), "server_max_window_bits"); p.client && z.readWindow != want {
							t.Errorf("%s: %q for %q", id, agreed, ext)
						}
						if err := exchange(t, p, z, data, size, fragment, count); err != nil {
							t.Errorf("%s, %q, %d bytes in fragments of %d: %v", id, agreed, size, fragment, err)
						}
					})
				}
				extOf := func(offer, agreement string) string {
					if role == "client" {
						if !takeover && !strings.Contains(agreement, "server_no_context_takeover") {
							agreement += "; server_no_context_takeover" // else it refuses
						}
						return agreement
					}
					return offer
				}
				for name, data := range suiteData {
					for _, s := range sizes {
						play("12 "+name, extOf("permessage-deflate", "permessage-deflate"), data, s[0], s[1])
					}
				}
				for i, c := range suiteParameters {
					for _, s := range sizes {
						play(fmt.Sprint("13.", i+1), extOf(c.offer, c.agreement), suiteData["large JSON"], s[0], s[1])
					}
				}
				t.Logf("%d cases, %d messages", cases, messages)
			})
		}
	}
}

// firstValid is the offer that a server takes.
func firstValid(offers string) string {
	for o := range strings.SplitSeq(offers, ",") {
		if !strings.Contains(o, "unknown") {
			return o
		}
	}
	return ""
}
