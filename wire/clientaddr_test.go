package wire

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(t testing.TB, list ...string) []netip.Prefix {
	t.Helper()
	p, err := ParsePrefixes(list...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// headWith parses field lines behind a plain request line.
func headWith(t testing.TB, fields string) *head {
	t.Helper()
	h, n, err := parseHead([]byte("GET / HTTP/1.1\r\nHost: inner:80\r\n"+strings.ReplaceAll(fields, "\n", "\r\n")+"\r\n\r\n"), func(int) int { return 1 << 20 })
	if err != nil || n == 0 {
		t.Fatalf("%q: %v", fields, err)
	}
	return &h
}

func TestClientBehindProxies(t *testing.T) {
	trusted := []string{"10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1"}
	for _, c := range []struct {
		name, fields       string
		forwarded          bool
		addr, scheme, host string
	}{
		{"nothing said", "X: y", false, "10.0.0.1", "", ""},
		{"one hop", "X-Forwarded-For: 192.0.2.7", false, "192.0.2.7", "", ""},
		{"what stands in front is hearsay", "X-Forwarded-For: 127.0.0.1, 192.0.2.7", false, "192.0.2.7", "", ""},
		{"through trusted hops", "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1,10.2.2.2", false, "192.0.2.7", "", ""},
		{"over several lines", "X-Forwarded-For: 6.6.6.6, 192.0.2.7\nX-Forwarded-For: 10.1.1.1", false, "192.0.2.7", "", ""},
		{"all trusted: the first", "X-Forwarded-For: 10.3.3.3, 10.1.1.1", false, "10.3.3.3", "", ""},
		{"empty elements", "X-Forwarded-For: , 192.0.2.7,, ,", false, "192.0.2.7", "", ""},
		{"with a port", "X-Forwarded-For: 192.0.2.7:4711", false, "192.0.2.7", "", ""},
		{"IPv6", "X-Forwarded-For: 2001:db8::7", false, "2001:db8::7", "", ""},
		{"IPv6 in brackets", "X-Forwarded-For: [2001:db8::7]", false, "2001:db8::7", "", ""},
		{"IPv6 with a port", "X-Forwarded-For: 6.6.6.6, [2001:db8::7]:99, 2001:db8:1::5", false, "2001:db8::7", "", ""},
		{"IPv4 as IPv6", "X-Forwarded-For: ::ffff:192.0.2.7, ::ffff:10.1.1.1", false, "192.0.2.7", "", ""},
		{"a name is no address", "X-Forwarded-For: 6.6.6.6, localhost", false, "invalid IP", "", ""},
		{"unknown", "X-Forwarded-For: 6.6.6.6, unknown", false, "invalid IP", "", ""},
		{"a zone", "X-Forwarded-For: fe80::1%eth0", false, "invalid IP", "", ""},
		{"leading zeros", "X-Forwarded-For: 192.0.2.07", false, "invalid IP", "", ""},
		{"scheme and host", "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https\nX-Forwarded-Host: shop.example:8443", false, "192.0.2.7", "https", "shop.example:8443"},
		{"the nearest proxy's word", "X-Forwarded-Proto: https, http\nX-Forwarded-Host: evil.example, shop.example", false, "10.0.0.1", "http", "shop.example"},
		{"neither scheme nor host", "X-Forwarded-Proto: javascript\nX-Forwarded-Host: a/b", false, "10.0.0.1", "", ""},
		{"Forwarded is not looked at", "Forwarded: for=6.6.6.6;proto=https", false, "10.0.0.1", "", ""},

		{"X-Forwarded-For is not looked at", "X-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: https", true, "10.0.0.1", "", ""},
		{"element", "Forwarded: for=192.0.2.7;proto=https;host=shop.example;by=203.0.113.1", true, "192.0.2.7", "https", "shop.example"},
		{"names have no case", "Forwarded: For=192.0.2.7; PROTO=HTTPS; Host=\"shop.example:1\"", true, "192.0.2.7", "https", "shop.example:1"},
		{"IPv6 is quoted", `Forwarded: for="[2001:db8::7]:4711"`, true, "2001:db8::7", "", ""},
		{"quoted with escapes", `Forwarded: for="192.0\.2.7";x="a\",for=6.6.6.6"`, true, "192.0.2.7", "", ""},
		{"a comma in quotes is no end", `Forwarded: for=192.0.2.7;ext="x, for=10.9.9.9"`, true, "192.0.2.7", "", ""},
		{"walk", `Forwarded: for=6.6.6.6;proto=ftp, for=192.0.2.7;proto=https, for="10.1.1.1:8";proto=http`, true, "192.0.2.7", "https", ""},
		{"walk over lines", "Forwarded: for=6.6.6.6, for=192.0.2.7\nForwarded: for=10.1.1.1", true, "192.0.2.7", "", ""},
		{"hidden", "Forwarded: for=6.6.6.6, for=_hidden", true, "invalid IP", "", ""},
		{"hidden port", `Forwarded: for="192.0.2.7:_x"`, true, "192.0.2.7", "", ""},
		{"unknown node", "Forwarded: for=6.6.6.6, for=unknown", true, "invalid IP", "", ""},
		{"no for", "Forwarded: for=6.6.6.6, proto=https", true, "invalid IP", "https", ""},
		{"IPv6 without quotes", "Forwarded: for=[2001:db8::7]", true, "invalid IP", "", ""},
		{"IPv6 without brackets", `Forwarded: for="2001:db8::7"`, true, "invalid IP", "", ""},
		{"an open quote swallows the next proxy's word", `Forwarded: for=";x=, for=10.1.1.1`, true, "invalid IP", "", ""},
		{"twice the same parameter", "Forwarded: for=6.6.6.6;for=192.0.2.7", true, "invalid IP", "", ""},
		{"space around =", "Forwarded: for = 192.0.2.7", true, "invalid IP", "", ""},
		{"a bad line in front is not reached", "Forwarded: \"\nForwarded: for=192.0.2.7", true, "192.0.2.7", "", ""},
		{"a bad line in front is reached", "Forwarded: \"\nForwarded: for=10.1.1.1", true, "invalid IP", "", ""},
	} {
		p, err := ProxyConfig{Trusted: prefixes(t, trusted...), Forwarded: c.forwarded, Proto: true, Host: true}.prepare()
		if err != nil {
			t.Fatal(err)
		}
		ci := clientInfo{addr: netip.MustParseAddr("10.0.0.1")}
		p.resolve(&ci, headWith(t, c.fields))
		if ci.addr.String() != c.addr || ci.scheme != c.scheme || ci.host != c.host {
			t.Errorf("%s: %v, scheme %q, host %q; want %s, %q, %q", c.name, ci.addr, ci.scheme, ci.host, c.addr, c.scheme, c.host)
		}
	}
}

// TestProxiesAreNotBelievedUnasked sends forged fields to servers of every configuration.
func TestProxiesAreNotBelievedUnasked(t *testing.T) {
	tell := func(w *Response, r *Request) error {
		return w.Send(200, "text/plain", fmt.Appendf(nil, "%v %s %s %v", r.ClientAddr(), r.Scheme(), r.Host(), r.Forwarded()))
	}
	const send = "GET / HTTP/1.1\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https\nX-Forwarded-Host: shop.example\nForwarded: for=192.0.2.8;proto=https;host=other.example"
	for _, c := range []struct {
		name string
		cfg  ProxyConfig
		want string
	}{
		{"default", ProxyConfig{}, "127.0.0.1 http example.org true"},
		{"another proxy", ProxyConfig{Trusted: prefixes(t, "10.0.0.0/8"), Proto: true, Host: true}, "127.0.0.1 http example.org true"},
		{"Unix sockets alone", ProxyConfig{Unix: true, Proto: true, Host: true}, "127.0.0.1 http example.org true"},
		{"this proxy", ProxyConfig{Trusted: prefixes(t, "loopback")}, "192.0.2.7 http example.org true"},
		{"with scheme", ProxyConfig{Trusted: prefixes(t, "loopback"), Proto: true}, "192.0.2.7 https example.org true"},
		{"with host", ProxyConfig{Trusted: prefixes(t, "loopback"), Host: true}, "192.0.2.7 http shop.example true"},
		{"RFC 7239", ProxyConfig{Trusted: prefixes(t, "loopback"), Forwarded: true, Proto: true, Host: true}, "192.0.2.8 https other.example true"},
	} {
		ask := asker(t, tell, func(cfg *Config) { cfg.Proxies = c.cfg })
		if got := text(t, ask(send)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, bad := range []ProxyConfig{{Trusted: []netip.Prefix{{}}}, {Proto: true}, {Host: true}, {Forwarded: true}} {
		if _, err := NewServer(Config{Handler: tell, Proxies: bad}); err == nil || !strings.Contains(err.Error(), "Config.Proxies.Trusted") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestUnixPeersAsProxies(t *testing.T) {
	for _, c := range []struct {
		cfg  ProxyConfig
		want string
	}{{ProxyConfig{}, "invalid IP"}, {ProxyConfig{Trusted: prefixes(t, "loopback")}, "invalid IP"}, {ProxyConfig{Unix: true}, "192.0.2.7"}} {
		s, err := NewServer(Config{Logger: quiet(), Proxies: c.cfg, Handler: func(w *Response, r *Request) error {
			return w.Send(200, "", []byte(r.ClientAddr().String()))
		}})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", t.TempDir()+"/s")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		nc, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n\r\n")
		var b bytes.Buffer
		if _, err := b.ReadFrom(nc); err != nil || !strings.HasSuffix(b.String(), "\r\n\r\n"+c.want) {
			t.Errorf("%+v: %q, %v", c.cfg, b.String(), err)
		}
		nc.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-done
	}
}

// obviousClient is what the walk means, said slowly: make one list of all hops, the
// connection's other end last, and take the last that is not trusted. ok is false where
// an element that counts cannot be read.
func obviousClient(peer netip.Addr, values []string, trusted func(netip.Addr) bool) netip.Addr {
	list := append(strings.Split(strings.Join(values, ","), ","), peer.String())
	for i := len(list) - 1; ; i-- {
		e := strings.Trim(list[i], " \t")
		if e == "" && i > 0 {
			continue
		}
		var a netip.Addr
		var err error
		if e == "" { // the front of the list, and nothing there: the hop behind it
			for e == "" {
				i++
				e = strings.Trim(list[i], " \t")
			}
			a, _ = obviousAddr(e)
			return a
		}
		if a, err = obviousAddr(e); err != nil {
			return netip.Addr{}
		}
		if !trusted(a) || i == 0 {
			return a
		}
	}
}

func obviousAddr(s string) (netip.Addr, error) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		if _, err := netip.ParseAddrPort(s); err != nil {
			return netip.Addr{}, err
		}
		s = host
	} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") && strings.Contains(s, ":") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err == nil && a.Zone() != "" {
		err = fmt.Errorf("a zone")
	}
	return a.Unmap(), err
}

func FuzzForwardedFor(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "1.2.3.4, 10.0.0.1", "6.6.6.6,::1", "[::1]:80,10.1.1.1", ",,10.1.1.1, ", "x, 10.1.1.1", "10.1.1.1\n1.1.1.1:1,10.2.2.2", "::ffff:10.1.1.1", "[10.1.1.1]"} {
		f.Add(s)
	}
	trusted, err := newPrefixSet(prefixes(f, "10.0.0.0/8", "::1"))
	if err != nil {
		f.Fatal(err)
	}
	p := &proxies{set: trusted}
	f.Fuzz(func(t *testing.T, s string) {
		values := strings.Split(s, "\n")
		if len(values) > 50 {
			return // more fields than a head may have
		}
		for _, v := range values {
			if !all(v, classValue) {
				return
			}
		}
		peer := netip.MustParseAddr("10.0.0.1")
		ci := clientInfo{addr: peer}
		p.resolve(&ci, headWith(t, "X-Forwarded-For: "+strings.Join(values, "\nX-Forwarded-For: ")))
		if want := obviousClient(peer, values, trusted.contains); ci.addr != want {
			t.Fatalf("%q: %v, want %v", s, ci.addr, want)
		}
	})
}

// FuzzForwarded holds the parser against a writer: what it reads, written down in one
// normal form, is read the same again; and elements read one by one are those of the list.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{`for=1.2.3.4`, `for="[::1]:80";proto=https, for=_x;by=unknown`, `host="a\"b"`, `for=";x=, for=10.1.1.1`, `a=b;;c=d,`, `for="1.2.3.4:_p"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hops, ok := parseForwarded(nil, []byte(s))
		if !ok {
			return
		}
		var list []string
		for _, h := range hops {
			text := `by=unknown;proto="` + escapeQuoted(h.proto) + `";host="` + escapeQuoted(h.host) + `";for=`
			switch {
			case h.client.Is6():
				text += `"[` + h.client.String() + `]"`
			case h.client.IsValid():
				text += h.client.String()
			default:
				text += "unknown"
			}
			one, ok := parseForwarded(nil, []byte(text))
			if !ok || len(one) != 1 || one[0].client != h.client || !bytes.Equal(one[0].proto, h.proto) || !bytes.Equal(one[0].host, h.host) {
				t.Fatalf("%q: %+v, written %q, read %+v, %v", s, h, text, one, ok)
			}
			list = append(list, text)
		}
		again, ok := parseForwarded(nil, []byte(strings.Join(list, ", ")))
		if !ok || len(again) != len(hops) {
			t.Fatalf("%q: %d elements, written and read %d, %v", s, len(hops), len(again), ok)
		}
	})
}

func escapeQuoted(b []byte) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(b))
}

func TestQuotedPairsHoldNoControlBytes(t *testing.T) {
	for in, want := range map[string]int{
		`"a"`: 3, `"a\"b"x`: 6, `"\\"`: 4, "\"\\\t \x80\"": 6, `"`: 0, `"a`: 0, `"\`: 0, `"\"`: 0, `a"`: 0, "": 0,
		"\"\\\r\"": 0, "\"\\\x00\"": 0, "\"\\\x7f\"": 0, "\"\r\"": 0, // RFC 9110 §5.6.4
	} {
		if got := quotedLen([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
	if _, ok := parseChunkSize([]byte("5;a=\"\\\rb\"")); ok {
		t.Error("a bare CR in a chunk extension is taken")
	}
}
