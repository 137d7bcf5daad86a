package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"iter"
	"strings"
)

// opening is what the request of an opening handshake says (RFC 6455 §4.2.1).
type opening struct {
	key        string // the last, of keys
	version    string // the last, of versions
	keys       int
	versions   int
	upgrade    bool // to websocket
	connection bool // upgrade is one of its options
	protocols  []string
	extensions []extension
	malformed  string // what of it is; "": nothing
}

// note takes a field line in.
func (o *opening) note(name, value string) {
	switch {
	case strings.EqualFold(name, "upgrade"):
		o.upgrade = o.upgrade || hasToken(value, "websocket")
	case strings.EqualFold(name, "connection"):
		o.connection = o.connection || hasToken(value, "upgrade")
	case strings.EqualFold(name, "sec-websocket-key"):
		o.key, o.keys = value, o.keys+1
	case strings.EqualFold(name, "sec-websocket-version"):
		o.version, o.versions = value, o.versions+1
	case strings.EqualFold(name, "sec-websocket-protocol"):
		for p := range elements(value) {
			if !token(p) {
				o.malformed = "a subprotocol is no token"
				return
			}
			o.protocols = append(o.protocols, p)
		}
	case strings.EqualFold(name, "sec-websocket-extensions"):
		list, ok := parseExtensions(value)
		if !ok {
			o.malformed = "Sec-WebSocket-Extensions is malformed"
			return
		}
		o.extensions = append(o.extensions, list...)
	}
}

// readOpening checks the request of an opening handshake. status is the response where it
// is not one: 426 where the client wants another version, or no WebSocket at all.
func readOpening(method, proto string, fields iter.Seq2[string, string]) (o *opening, status int, detail string) {
	o = new(opening)
	fields(func(name, value string) bool {
		o.note(name, value)
		return o.malformed == ""
	})
	switch {
	case o.malformed != "":
		return o, 400, o.malformed
	case method != "GET":
		return o, 405, "the opening handshake is a GET request"
	case proto != "HTTP/1.1":
		return o, 400, "the opening handshake needs HTTP/1.1"
	case !o.upgrade || !o.connection:
		return o, 426, "this is a WebSocket endpoint"
	case o.versions != 1 || o.version != ourVersion:
		return o, 426, "only version 13 of the protocol is spoken"
	case o.keys != 1 || !validKey(o.key):
		return o, 400, "Sec-WebSocket-Key is not 16 bytes in base64"
	}
	return o, 101, ""
}

const ourVersion = "13"

var strictBase64 = base64.StdEncoding.Strict()

// validKey checks that a key is the base64 form of 16 bytes (RFC 6455 §4.1).
func validKey(key string) bool {
	if len(key) != 24 {
		return false
	}
	var room [18]byte // what 24 characters can hold
	n, err := strictBase64.Decode(room[:], []byte(key))
	return err == nil && n == 16
}

// acceptOf answers a key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	return string(appendAccept(nil, key))
}

func appendAccept(dst []byte, key string) []byte {
	var room [64]byte
	sum := sha1.Sum(append(append(room[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// chooseProtocol returns the first of the server's subprotocols that the client offers.
func chooseProtocol(ours, offered []string) string {
	for _, p := range ours {
		for _, q := range offered {
			if p == q {
				return p
			}
		}
	}
	return ""
}

// extension is an element of Sec-WebSocket-Extensions (RFC 6455 §9.1):
//
//	extension       = token *( ";" extension-param )
//	extension-param = token [ "=" ( token / quoted-string ) ]
type extension struct {
	name   string
	params []parameter
}

type parameter struct {
	name, value string
	valued      bool
}

func parseExtensions(s string) (list []extension, ok bool) {
	p := fieldParser{s}
	for {
		for p.skip(','); p.skip(','); { // empty elements are allowed (RFC 9110 §5.6.1)
		}
		if p.s == "" {
			return list, true
		}
		e := extension{name: p.token()}
		if e.name == "" {
			return nil, false
		}
		for p.skip(';') {
			q := parameter{name: p.token()}
			if q.name == "" {
				return nil, false
			}
			if p.skip('=') {
				q.valued = true
				if q.value = p.value(); q.value == "" {
					return nil, false
				}
			}
			e.params = append(e.params, q)
		}
		list = append(list, e)
		if p.s != "" && !p.skip(',') {
			return nil, false
		}
	}
}

// fieldParser reads a field value from its beginning. White space is skipped around
// everything.
type fieldParser struct{ s string }

func (p *fieldParser) skip(c byte) bool {
	p.s = strings.TrimLeft(p.s, " \t")
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = strings.TrimLeft(p.s[1:], " \t")
	return true
}

func (p *fieldParser) token() (t string) {
	n := 0
	for n < len(p.s) && tokenByte(p.s[n]) {
		n++
	}
	t, p.s = p.s[:n], strings.TrimLeft(p.s[n:], " \t")
	return t
}

// value reads a token, or a quoted string that holds one.
func (p *fieldParser) value() string {
	if p.s == "" || p.s[0] != '"' {
		return p.token()
	}
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch c := p.s[i]; c {
		case '"':
			p.s = strings.TrimLeft(p.s[i+1:], " \t")
			if !token(b.String()) {
				return ""
			}
			return b.String()
		case '\\':
			if i++; i < len(p.s) {
				b.WriteByte(p.s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return ""
}

func tokenByte(c byte) bool {
	return c-'a' < 26 || c-'A' < 26 || c-'0' < 10 || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func token(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// elements are the elements of a list that are not empty.
func elements(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for e := range strings.SplitSeq(s, ",") {
			if e = strings.Trim(e, " \t"); e != "" && !yield(e) {
				return
			}
		}
	}
}

func hasToken(list, want string) bool {
	for e := range elements(list) {
		if strings.EqualFold(e, want) {
			return true
		}
	}
	return false
}

// packing is what both sides agreed on about permessage-deflate (RFC 7692 §7.1).
type packing struct {
	on                             bool
	serverNoTakeover, clientNoTake bool
	serverBits, clientBits         uint8 // windows; 8 to 15
}

// deflate is what one side's connection keeps of that.
type deflate struct {
	on           bool
	ours, theirs bool  // what this side, or the other, sends refers to earlier messages
	bits         uint8 // window of what this side sends
}

func (p packing) of(client bool) deflate {
	switch {
	case !p.on:
		return deflate{}
	case client:
		return deflate{true, !p.clientNoTake, !p.serverNoTakeover, p.clientBits}
	}
	return deflate{true, !p.serverNoTakeover, !p.clientNoTake, p.serverBits}
}

// parsePacking reads the parameters of an element named permessage-deflate. ok is false
// where one is unknown, stands twice, or has a value it cannot have; offer says whether the
// element is an offer: only there client_max_window_bits may have no value.
func parsePacking(e extension, offer bool) (p packing, ok bool) {
	p = packing{on: true, serverBits: 15, clientBits: 15}
	seen := map[string]bool{}
	for _, q := range e.params {
		if seen[q.name] {
			return p, false
		}
		seen[q.name] = true
		switch q.name {
		case "server_no_context_takeover":
			p.serverNoTakeover, ok = true, !q.valued
		case "client_no_context_takeover":
			p.clientNoTake, ok = true, !q.valued
		case "server_max_window_bits":
			p.serverBits, ok = windowBits(q.value)
		case "client_max_window_bits":
			if ok = !q.valued && offer; !ok {
				p.clientBits, ok = windowBits(q.value)
			}
		default:
			ok = false
		}
		if !ok {
			return p, false
		}
	}
	return p, true
}

// windowBits reads a number from 8 to 15 without leading zeros.
func windowBits(s string) (uint8, bool) {
	switch {
	case len(s) == 1 && (s[0] == '8' || s[0] == '9'):
		return s[0] - '0', true
	case len(s) == 2 && s[0] == '1' && s[1] >= '0' && s[1] <= '5':
		return 10 + s[1] - '0', true
	}
	return 0, false
}

const packingName = "permessage-deflate"

// agree chooses among a client's offers, and returns the element that says so; "" when
// none is taken. takeover says whether contexts may be taken over.
func agree(offers []extension, takeover bool) (p packing, reply string) {
	for _, e := range offers {
		if e.name != packingName {
			continue
		}
		p, ok := parsePacking(e, true)
		if !ok {
			continue
		}
		p.serverNoTakeover = p.serverNoTakeover || !takeover
		p.clientNoTake = p.clientNoTake || !takeover
		reply = packingName
		if p.serverNoTakeover {
			reply += "; server_no_context_takeover"
		}
		if p.clientNoTake {
			reply += "; client_no_context_takeover"
		}
		if p.serverBits < 15 {
			reply += fmt.Sprint("; server_max_window_bits=", p.serverBits)
		}
		p.clientBits = 15 // what this side can always take
		return p, reply
	}
	return packing{}, ""
}

// offerOf is what a client offers.
func offerOf(takeover bool) string {
	if takeover {
		return packingName + "; client_max_window_bits"
	}
	return packingName + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
}

// accepted reads a server's answer to an offer.
func accepted(value string, offered, takeover bool) (p packing, detail string) {
	list, ok := parseExtensions(value)
	if !ok {
		return p, "Sec-WebSocket-Extensions is malformed"
	}
	for _, e := range list {
		if e.name != packingName || !offered {
			return p, "the server uses an extension that was not offered"
		}
		if p.on {
			return p, "the server uses an extension twice"
		}
		if p, ok = parsePacking(e, false); !ok {
			return packing{}, "the server's parameters of permessage-deflate are invalid"
		}
		if !takeover && !p.serverNoTakeover {
			return packing{}, "the server wants to take contexts over, which was refused"
		}
		p.clientNoTake = p.clientNoTake || !takeover
	}
	return p, ""
}

// checkReply checks the response of an opening handshake (RFC 6455 §4.1).
func checkReply(fields iter.Seq2[string, string], key string, protocols []string) (protocol, extensions, detail string) {
	var upgrade, connection bool
	var accepts, chosen, lists []string
	for name, value := range fields {
		switch strings.ToLower(name) {
		case "upgrade":
			upgrade = upgrade || strings.EqualFold(value, "websocket")
		case "connection":
			connection = connection || hasToken(value, "upgrade")
		case "sec-websocket-accept":
			accepts = append(accepts, value)
		case "sec-websocket-protocol":
			chosen = append(chosen, value)
		case "sec-websocket-extensions":
			lists = append(lists, value)
		}
	}
	switch {
	case !upgrade || !connection:
		return "", "", "the response does not upgrade to websocket"
	case len(accepts) != 1 || accepts[0] != acceptOf(key):
		return "", "", "Sec-WebSocket-Accept does not answer the key"
	case len(chosen) > 1:
		return "", "", "the server chose two subprotocols"
	case len(chosen) == 1:
		if protocol = chooseProtocol(protocols, chosen); protocol == "" {
			return "", "", "the server chose a subprotocol that was not offered"
		}
	}
	return protocol, strings.Join(lists, ","), ""
}
