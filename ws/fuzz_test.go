package ws

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// verdict is what the plain reference says of a frame's header.
type verdict struct {
	bad    bool
	n      int // of the header; 0: more bytes are needed
	length uint64
}

// octets are the bits of each byte.
var octets = func() (t [256]string) {
	for c := range t {
		t[c] = fmt.Sprintf("%08b", c)
	}
	return t
}()

// plainHeader judges a header bit by bit, as RFC 6455 §5.2 draws it.
func plainHeader(b []byte, at situation) verdict {
	bits := ""
	for _, c := range b[:min(len(b), 14)] {
		bits += octets[c]
	}
	number := func(from, n int) (v uint64) {
		for _, c := range bits[from : from+n] {
			v = v<<1 | uint64(c-'0')
		}
		return v
	}
	if len(bits) < 8 {
		return verdict{}
	}
	fin, rsv, op := bits[0] == '1', bits[1:4], number(4, 4)
	forbidden := [16]bool{!at.within, at.within, at.within, true, true, true, true, true, !fin, !fin, !fin, true, true, true, true, true}[op]
	mayRSV1 := at.deflate && (op == 1 || op == 2)
	if forbidden || rsv[1:] != "00" || rsv[0] == '1' && !mayRSV1 {
		return verdict{bad: true}
	}
	if len(bits) < 16 {
		return verdict{}
	}
	if (bits[8] == '1') != at.fromClient {
		return verdict{bad: true}
	}
	length, end := number(9, 7), 16
	if op >= 8 && length > 125 {
		return verdict{bad: true}
	}
	if length >= 126 {
		wide := map[uint64]int{126: 16, 127: 64}[length]
		if wide == 64 && len(bits) > 16 && bits[16] == '1' {
			return verdict{bad: true}
		}
		if len(bits) < 16+wide {
			return verdict{}
		}
		length, end = number(16, wide), 16+wide
		if length < 126 || wide == 64 && length < 1<<16 {
			return verdict{bad: true}
		}
	}
	if at.fromClient {
		end += 32
	}
	if len(bits) < end {
		return verdict{}
	}
	return verdict{n: end / 8, length: length}
}

func situationOf(flags byte) situation {
	return situation{fromClient: flags&1 != 0, within: flags&2 != 0, deflate: flags&4 != 0}
}

// checkHeader holds a header, and everything it begins with, against the reference.
func checkHeader(t *testing.T, b []byte, flags byte) {
	at := situationOf(flags)
	for k := range min(len(b), 16) + 1 {
		want := plainHeader(b[:k], at)
		h, n, bad := parseHeader(b[:k], at)
		if (bad != nil) != want.bad || n != want.n || n > 0 && h.length != want.length {
			t.Fatalf("%x, %+v: %+v, %d, %v; want %+v", b[:k], at, h, n, bad, want)
		}
		if n > 0 && !bytes.Equal(appendHeader(nil, h), b[:n]) {
			t.Fatalf("%x is written as %x", b[:n], appendHeader(nil, h))
		}
	}
}

// TestHeaders: all of the first two bytes, in every situation, with lengths at the edges.
func TestHeaders(t *testing.T) {
	tails := []string{"", "\x00\x7d\x01\x02\x03\x04", "\x00\x7e\x01\x02\x03\x04", "\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04", "\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04", "\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"}
	count := 0
	for first := range 256 {
		for _, second := range []byte{0, 1, 125, 126, 127, 128, 129, 253, 254, 255} {
			for flags := range byte(8) {
				for _, tail := range tails {
					checkHeader(t, append([]byte{byte(first), second}, tail...), flags)
					count++
				}
			}
		}
	}
	t.Logf("%d headers", count)
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"\x81\x85\x37\xfa\x21\x3d", "\x82\x7e\x01\x00", "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00abcd", "\x00\x00", "\xc1\x80abcd", "\x89\x7e\x00\x01"} {
		for flags := range byte(8) {
			f.Add([]byte(s), flags)
		}
	}
	f.Fuzz(checkHeader)
}

// happening is an event as the tests compare it.
type happening struct {
	kind string
	data string
}

// received runs a receiver over b in pieces of the sizes that next gives, as a connection
// does: what the buffer does not hold goes straight into the message.
func received(b []byte, r *receiver, next func(left int) int) (all []happening, bad *ProtocolError) {
	b = bytes.Clone(b) // it is unmasked where it stands
	var buf []byte
	message := ""
	note := func(ev event) bool {
		switch ev {
		case gotMessage:
			all = append(all, happening{r.op.String(), string(r.data)})
		case gotPiece:
			if message += string(r.data); r.last() {
				all = append(all, happening{r.op.String(), message})
				message = ""
			}
		case gotPing:
			all = append(all, happening{"ping", string(r.data)})
		case gotPong:
			all = append(all, happening{"pong", string(r.data)})
		case gotClose:
			all = append(all, happening{"close", fmt.Sprint(int(r.code), r.reason)})
			return false
		case gotWrong:
			bad = r.bad
			return false
		}
		return true
	}
	for len(b) > 0 {
		n := max(1, min(len(b), next(len(b))))
		if room := r.room(); len(buf) == 0 && room != nil {
			n = copy(room, b[:min(n, len(room))])
			b = b[n:]
			if !note(r.filled(n)) {
				return all, bad
			}
			continue
		}
		buf = append(buf, b[:n]...)
		b = b[n:]
		for {
			ev, used := r.next(buf)
			going := note(ev)
			buf = buf[used:]
			if !going {
				return all, bad
			}
			if ev == needMore {
				break
			}
		}
	}
	return all, nil
}

// plainReceive is the reference: frames one after the other, messages judged when they are
// whole. early says that b ends within a frame or message, about which the receiver may
// know more.
func plainReceive(b []byte, at situation, takeover bool, limit int) (all []happening, bad, early bool) {
	var msg, window []byte
	var op byte
	packed := false
	for {
		v := plainHeader(b, at)
		if v.bad {
			return all, true, false
		}
		if v.n == 0 || uint64(len(b)-v.n) < v.length {
			return all, false, at.within || len(b) > 0
		}
		first := b[0]
		payload := bytes.Clone(b[v.n : v.n+int(v.length)])
		if at.fromClient {
			for i := range payload {
				payload[i] ^= b[v.n-4+i%4]
			}
		}
		b = b[v.n+int(v.length):]
		switch first & 15 {
		case 9:
			all = append(all, happening{"ping", string(payload)})
			continue
		case 10:
			all = append(all, happening{"pong", string(payload)})
			continue
		case 8:
			code := 1005
			if len(payload) >= 2 {
				code = int(payload[0])<<8 | int(payload[1])
				payload = payload[2:]
				if code < 1000 || code > 1014 && code < 3000 || code > 4999 || code >= 1004 && code <= 1006 || !utf8.Valid(payload) {
					return all, true, false
				}
			} else if len(payload) == 1 {
				return all, true, false
			}
			return append(all, happening{"close", fmt.Sprint(code, string(payload))}), false, false
		case 1, 2:
			op, packed, msg = first&15, first&0x40 != 0, nil
		}
		msg = append(msg, payload...)
		if at.within = first&0x80 == 0; at.within {
			continue
		}
		if packed && len(msg) > 0 {
			plain, err := plainInflate(window, msg, limit)
			if err != nil {
				return all, true, false
			}
			msg = plain
		}
		if packed && takeover {
			window = append(window, msg...)
			window = window[max(0, len(window)-32<<10):]
		}
		if len(msg) > limit || op == 1 && !utf8.Valid(msg) {
			return all, true, false
		}
		all = append(all, happening{Opcode(op).String(), string(msg)})
	}
}

// plainInflate inflates with the standard library. A final block is followed by what comes
// behind it, as RFC 7692 §7.2.3.4 has it: from the next byte on.
func plainInflate(window, payload []byte, limit int) (msg []byte, err error) {
	src := bytes.NewReader(append(bytes.Clone(payload), syncTail+"\x01\x00\x00\xff\xff"...)) // the last block ends where it should, or it is corrupt
	for src.Len() > 0 && len(msg) <= limit {
		all := append(bytes.Clone(window), msg...)
		part, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(src, all[max(0, len(all)-32<<10):]), int64(limit+1)))
		if msg = append(msg, part...); err != nil {
			return msg, err
		}
	}
	return msg, nil
}

const fuzzLimit = 20_000

// checkReceiver holds a receiver against the reference, and its events in every split of
// the bytes against each other.
func checkReceiver(t *testing.T, b []byte, flags byte, seed uint64) (events int, refused bool) {
	at := situationOf(flags &^ 2)
	takeover := at.deflate && flags&8 != 0
	fresh := func(stream bool) *receiver {
		return &receiver{at: at, takeover: takeover, max: fuzzLimit, stream: stream}
	}
	whole, bad := received(b, fresh(false), func(left int) int { return left })
	rng := rand.New(rand.NewPCG(seed, 1))
	for name, next := range map[string]func(int) int{
		"byte by byte": func(int) int { return 1 },
		"in pieces":    func(left int) int { return 1 + rng.IntN(left) },
		"in twos":      func(int) int { return 2 },
	} {
		for _, stream := range []bool{false, true} {
			got, gotBad := received(b, fresh(stream), next)
			if !slices.Equal(got, whole) || (bad == nil) != (gotBad == nil) || bad != nil && *bad != *gotBad {
				t.Fatalf("%s, stream %v: %.300q, %v; whole: %.300q, %v", name, stream, got, gotBad, whole, bad)
			}
		}
	}
	want, wantBad, early := plainReceive(b, at, takeover, fuzzLimit)
	switch {
	case bad == nil && wantBad:
		t.Fatalf("accepted: %.300q; want %.300q and a refusal", whole, want)
	case bad == nil && !slices.Equal(whole, want):
		t.Fatalf("%.300q; want %.300q", whole, want)
	case bad != nil && (len(whole) > len(want) || !slices.Equal(whole, want[:len(whole)])):
		t.Fatalf("%.300q before %v; want %.300q", whole, bad, want)
	case bad != nil && !wantBad && !early:
		t.Fatalf("refused: %v; want %.300q", bad, want)
	}
	return len(whole), bad != nil
}

// stream is a random sequence of frames, most of it right.
func stream(r *rand.Rand, flags byte) (b []byte) {
	client, deflate, takeover := flags&1 != 0, flags&4 != 0, flags&12 == 12
	var window []byte
	texts := []string{"", "a", "é", "漢字 and 🙂", strings.Repeat("words ", 300), strings.Repeat("漢", 1500), "\xff", "a\xe2\x82"}
	for range 1 + r.IntN(6) {
		msg := []byte(texts[r.IntN(len(texts)-r.IntN(3))])
		op := byte(1 + r.IntN(2))
		f := frame{op: op}
		if deflate && r.IntN(2) == 0 {
			plain := msg
			f.rsv = 4
			msg = standardDeflate(nil, window, plain, r.IntN(11)-1)
			if r.IntN(8) == 0 && len(msg) > 0 {
				msg[r.IntN(len(msg))] ^= 1 << r.IntN(8)
			}
			if takeover {
				window = append(window, plain...)
				window = window[max(0, len(window)-32<<10):]
			}
		}
		for {
			n := len(msg)
			if r.IntN(3) == 0 {
				n = r.IntN(n + 1)
			}
			f.payload, msg = msg[:n], msg[n:]
			f.fin = len(msg) == 0
			b = append(b, f.bytes(client)...)
			f.op, f.rsv = 0, 0
			if f.fin {
				break
			}
			if r.IntN(3) == 0 {
				b = append(b, frame{fin: true, op: byte(9 + r.IntN(2)), payload: []byte("control")}.bytes(client)...)
			}
		}
	}
	switch r.IntN(6) {
	case 0:
		b = append(b, closeFrame([]int{1000, 1004, 1001, 2999, 3000, 4999, 5000}[r.IntN(7)], texts[r.IntN(4)]).bytes(client)...)
	case 1:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 2:
		b = b[:r.IntN(len(b))]
	}
	return b
}

// TestReceiverAgainstReference: random streams, right and wrong, against the reference.
func TestReceiverAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	events, refused, streams := 0, 0, 200
	if os.Getenv("LITHAIR_LONG") == "1" {
		streams = 5000
	}
	for i := range streams {
		flags := byte(r.IntN(16)) &^ 2
		b := stream(r, flags)
		n, bad := checkReceiver(t, b, flags, uint64(i))
		if events += n; bad {
			refused++
		}
	}
	if refused < streams/20 || refused > streams*4/5 {
		t.Errorf("%d of %d refused: the test shows little", refused, streams)
	}
	t.Logf("%d streams, %d events, %d refused", streams, events, refused)
}

func FuzzReceiver(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 64 {
		flags := byte(i)&15&^2 | byte(i&1)
		f.Add(stream(r, flags), flags, uint64(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, flags byte, seed uint64) {
		if len(b) < 1<<16 {
			checkReceiver(t, b, flags, seed)
		}
	})
}

func FuzzInflate(f *testing.F) {
	for i, msg := range samples(5, 40) {
		f.Add(standardDeflate(f, nil, msg[:min(len(msg), 3000)], i%11-1))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1<<16 {
			return
		}
		compareInflate(t, 0, payload)
		const most = 1 << 16
		whole, err := new(inflater).add(nil, payload, most)
		z, got, gotErr := new(inflater), []byte(nil), error(nil)
		for i := 0; i < len(payload) && gotErr == nil; i++ {
			got, gotErr = z.add(got, payload[i:i+1], most)
		}
		if err != gotErr || !bytes.Equal(got, whole) {
			t.Fatalf("whole: %d bytes, %v; byte by byte: %d, %v", len(whole), err, len(got), gotErr)
		}
	})
}

func FuzzDeflate(f *testing.F) {
	for i, msg := range samples(6, 40) {
		f.Add(msg[:min(len(msg), 3000)], uint16(i*37), byte(i))
	}
	f.Fuzz(func(t *testing.T, all []byte, cut uint16, bits byte) {
		windowBits := 8 + int(bits%8)
		history := all[:min(len(all), int(cut))]
		msg := all[len(history):]
		history = history[max(0, len(history)-1<<windowBits):]
		payload := new(deflater).message(nil, history, msg, windowBits)
		back, err := standardInflate(history, payload)
		if err != nil || !bytes.Equal(back, msg) {
			t.Fatalf("%d bytes, a history of %d, %d bits: %d back, %v", len(msg), len(history), windowBits, len(back), err)
		}
		checkWindow(t, payload, len(history), 1<<windowBits)
	})
}

const tokenClass = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]"

var (
	plainToken = regexp.MustCompile("^" + tokenClass + "+$")
	plainKey   = regexp.MustCompile(`^[A-Za-z0-9+/]{21}[AQgw]==$`)
	// RFC 6455 §9.1 with white space where lists and parameters may have it
	plainElement = func() string {
		value := "(?:" + tokenClass + "+|\"(?:\\\\?" + tokenClass + ")+\")"
		param := "[ \t]*;[ \t]*" + tokenClass + "+(?:[ \t]*=[ \t]*" + value + ")?"
		return tokenClass + "+(?:" + param + ")*"
	}()
	plainList = regexp.MustCompile("^[ \t]*(?:,[ \t]*)*(?:" + plainElement + "[ \t]*(?:,[ \t]*)+)*(?:" + plainElement + ")?[ \t]*$")
)

var extensionSeeds = []string{"", "permessage-deflate", "permessage-deflate; client_max_window_bits", "a, b ;c=d; e=\"f\"", ",, a ,,", "a;", "a b", "a;b=", "a;b=\"\"", "a;b=\"\\c\"", "a;b=\"c d\"",
	"permessage-deflate; server_max_window_bits=8; client_no_context_takeover, permessage-deflate", "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_no_context_takeover; server_no_context_takeover"}

func FuzzExtensions(f *testing.F) {
	for _, s := range extensionSeeds {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, takeover bool) {
		list, ok := parseExtensions(s)
		if want := plainList.MatchString(s); ok != want {
			t.Fatalf("%q: %v, want %v", s, ok, want)
		}
		if !ok {
			return
		}
		p, reply := agree(list, takeover)
		if (reply != "") != p.on {
			t.Fatalf("%q: %+v, %q", s, p, reply)
		}
		if !p.on {
			return
		}
		// what a server replies, a client that offered it takes, and both mean the same
		back, detail := accepted(reply, true, true)
		if detail != "" || back.serverNoTakeover != p.serverNoTakeover || back.clientNoTake != p.clientNoTake || back.serverBits != p.serverBits {
			t.Fatalf("%q: the reply %q is read as %+v, %q", s, reply, back, detail)
		}
		if !takeover && !(p.serverNoTakeover && p.clientNoTake) || strings.Contains(reply, "client_max_window_bits") {
			t.Fatalf("%q: %q", s, reply)
		}
	})
}

// FuzzOpening takes an opening handshake as lines of "name: value".
func FuzzOpening(f *testing.F) {
	good := "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13"
	for _, s := range []string{"", good, good + "\nConnection: keep-alive", good + "\nSec-WebSocket-Protocol: a, b", good + "\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", strings.Replace(good, "==", "=", 1),
		strings.Replace(good, "ZQ==", "ZR==", 1), strings.Replace(good, "13", "8, 13", 1), strings.Replace(good, "Upgrade\n", "keep-alive, uPGRADE\n", 1), strings.Replace(good, "websocket", "h2c, WebSocket", 1), good + "\nSec-WebSocket-Protocol: a b", good + "\nSec-WebSocket-Extensions: a;"} {
		f.Add("GET", "HTTP/1.1", s)
	}
	f.Add("POST", "HTTP/1.1", good)
	f.Add("GET", "HTTP/1.0", good)
	f.Fuzz(func(t *testing.T, method, proto, lines string) {
		fields := map[string][]string{}
		each := func(yield func(string, string) bool) {
			for line := range strings.SplitSeq(lines, "\n") {
				if name, value, ok := strings.Cut(line, ":"); ok && !yield(name, strings.Trim(value, " \t")) {
					return
				}
			}
		}
		for name, value := range each {
			fields[strings.ToLower(name)] = append(fields[strings.ToLower(name)], value)
		}
		has := func(name, token string) bool {
			return slices.ContainsFunc(strings.Split(strings.Join(fields[name], ","), ","), func(e string) bool { return strings.EqualFold(strings.Trim(e, " \t"), token) })
		}
		want := method == "GET" && proto == "HTTP/1.1" && has("upgrade", "websocket") && has("connection", "upgrade") &&
			slices.Equal(fields["sec-websocket-version"], []string{"13"}) && len(fields["sec-websocket-key"]) == 1 && plainKey.MatchString(fields["sec-websocket-key"][0])
		var protocols []string
		for e := range strings.SplitSeq(strings.Join(fields["sec-websocket-protocol"], ","), ",") {
			if e = strings.Trim(e, " \t"); e != "" {
				protocols = append(protocols, e)
				want = want && plainToken.MatchString(e)
			}
		}
		for _, e := range fields["sec-websocket-extensions"] {
			want = want && plainList.MatchString(e)
		}
		o, status, detail := readOpening(method, proto, each)
		if (status == 101) != want || status != 101 && detail == "" {
			t.Fatalf("%d %q, want %v", status, detail, want)
		}
		if want && (o.key != fields["sec-websocket-key"][0] || !slices.Equal(o.protocols, protocols)) {
			t.Fatalf("%+v", o)
		}
	})
}

// TestFuzzSeeds: the oracles hold what they are given; a list that no reference takes, or
// that each takes, shows nothing.
func TestFuzzSeeds(t *testing.T) {
	count := map[bool]int{}
	for _, s := range extensionSeeds {
		count[plainList.MatchString(s)]++
	}
	if len(slices.Collect(maps.Keys(count))) != 2 {
		t.Errorf("%v", count)
	}
}

// TestCloseArguments: what a program may close with, and how a long reason is cut.
func TestCloseArguments(t *testing.T) {
	for code := range 6000 {
		valid := code >= 3000 && code < 5000 || code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006
		if CloseCode(code).sendable() != valid {
			t.Errorf("%d: %v", code, !valid)
		}
	}
	for n := range 130 {
		reason := strings.Repeat("x", n) + strings.Repeat("漢", 50)
		b := appendClose(nil, CloseNormal, reason)
		if len(b) > maxControl || len(b) <= maxControl-4 || !utf8.Valid(b[2:]) || !strings.HasPrefix(reason, string(b[2:])) {
			t.Errorf("%d: %d bytes, %q", n, len(b), b)
		}
	}
	c := dialTest(t, serveHTTP(t, newTestServer(t, Config{}).Handler(echo)), DialConfig{})
	for _, code := range []CloseCode{0, 999, 1004, CloseAbnormal, closeTLSHandshake, 2999, 5000} {
		if err := c.Close(code, ""); err == nil || !strings.Contains(err.Error(), "may not be sent") {
			t.Errorf("Close(%d): %v", code, err)
		}
	}
	if err := c.Close(CloseNoStatus, ""); err != nil {
		t.Errorf("Close without a code: %v", err)
	}
}
