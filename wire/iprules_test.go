package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParsePrefixes(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32", "2001:db8::/32": "2001:db8::/32", "::1": "::1/128", "fe80::1%eth0": "fe80::1/128",
		"10.0.0.0/33": "", "10.0.0": "", "10.0.0.0/": "", "localhost": "", "": "", "10.0.0.0/8 ": "", "fe80::%eth0/64": "",
	} {
		p, err := ParsePrefixes(in)
		if (err == nil) != (want != "") || err == nil && p[0].String() != want {
			t.Errorf("%q: %v, %v; want %q", in, p, err, want)
		}
	}
	set, err := newPrefixSet(prefixes(t, "private", "loopback"))
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"10.1.2.3": true, "172.16.0.1": true, "172.32.0.1": false, "192.168.255.255": true, "169.254.169.254": true, "fd00::1": true, "fe80::1%eth0": true, "::1": true, "127.1.2.3": true,
		"::ffff:10.1.2.3": true, "::ffff:8.8.8.8": false, "8.8.8.8": false, "2001:db8::1": false, "::": false, "0.0.0.0": false,
	} {
		if got := set.contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
	if set.contains(netip.Addr{}) {
		t.Error("no address at all is contained")
	}
}

func TestIPRules(t *testing.T) {
	for _, c := range []struct {
		allow, deny string
		client      string // as a trusted proxy tells it
		status      int
	}{
		{"192.0.2.0/24", "", "192.0.2.7", 200}, {"192.0.2.0/24", "", "192.0.3.7", 403}, {"", "192.0.2.0/24", "192.0.2.7", 403}, {"", "192.0.2.0/24", "192.0.3.7", 200},
		{"192.0.2.0/24", "192.0.2.7", "192.0.2.7", 403}, {"192.0.2.7", "192.0.2.0/24", "192.0.2.7", 403}, // a refusal counts before an allowance
		{"", "192.0.2.0/24", "::ffff:192.0.2.7", 403}, {"", "::ffff:192.0.2.0/120", "192.0.2.7", 403}, {"", "::ffff:192.0.2.0/120", "192.0.3.7", 200},
		{"2001:db8::/32", "", "2001:db8::7", 200}, {"2001:db8::/32", "", "192.0.2.7", 403}, {"0.0.0.0/0", "", "2001:db8::7", 403}, {"::/0", "", "192.0.2.7", 403},
		{"", "192.0.2.0/24", "unknown", 403}, {"0.0.0.0/0", "", "unknown", 403}, // what is not known is refused
	} {
		var cfg IPRulesConfig
		for text, to := range map[string]*[]netip.Prefix{c.allow: &cfg.Allow, c.deny: &cfg.Deny} {
			if text != "" {
				*to = prefixes(t, text)
			}
		}
		ask := asker(t, must(t)(IPRules(cfg))(answer), func(s *Config) { s.Proxies.Trusted = prefixes(t, "loopback") })
		if resp := ask("GET / HTTP/1.1\nX-Forwarded-For: " + c.client); resp.StatusCode != c.status {
			t.Errorf("%+v: %d", c, resp.StatusCode)
		}
	}
	ask := asker(t, must(t)(IPRules(IPRulesConfig{Deny: prefixes(t, "192.0.2.0/24"), Unknown: true}))(answer), func(s *Config) { s.Proxies.Trusted = prefixes(t, "loopback") })
	if resp := ask("GET / HTTP/1.1\nX-Forwarded-For: unknown"); resp.StatusCode != 200 {
		t.Errorf("unknown, but let in: %d", resp.StatusCode)
	}
	for _, bad := range []struct {
		cfg   IPRulesConfig
		field string
	}{
		{IPRulesConfig{}, "IPRulesConfig"}, {IPRulesConfig{Allow: []netip.Prefix{{}}}, "Allow"}, {IPRulesConfig{Deny: []netip.Prefix{{}}}, "Deny"},
		{IPRulesConfig{Deny: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/90")}}, "Deny"},
	} {
		if _, err := IPRules(bad.cfg); err == nil || !strings.Contains(err.Error(), bad.field) {
			t.Errorf("%+v: %v", bad.cfg, err)
		}
	}
}

// FuzzPrefixSet holds the sorted ranges against a look at every network.
func FuzzPrefixSet(f *testing.F) {
	f.Add([]byte{10, 0, 0, 0, 8, 10, 1, 0, 0, 16, 192, 168, 0, 0, 31}, uint32(0x0A010203))
	f.Fuzz(func(t *testing.T, nets []byte, addr uint32) {
		var list []netip.Prefix
		for ; len(nets) >= 5; nets = nets[5:] {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte(nets)), int(nets[4]%33)))
		}
		set, err := newPrefixSet(list)
		if err != nil {
			t.Fatal(err)
		}
		a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, addr)))
		want := slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		if got := set.contains(a); got != want {
			t.Fatalf("%v in %v: %v, want %v", a, list, got, want)
		}
	})
}
