package web

import (
	"net/url"
	"testing"
)

func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		fetchSite, origin, host string
		want                    bool
	}{
		{"", "", "blog.example", true}, // curl
		{"same-origin", "https://blog.example", "blog.example", true},
		{"none", "", "blog.example", true},
		{"same-site", "https://evil.example", "blog.example", false},
		{"cross-site", "https://evil.example", "blog.example", false},
		{"cross-site", "https://blog.example", "blog.example", false}, // the stronger word counts
		{"", "https://blog.example", "blog.example", true},
		{"", "http://127.0.0.1:8080", "127.0.0.1:8080", true},
		{"", "http://127.0.0.1:8081", "127.0.0.1:8080", false},
		{"", "https://evil.example", "blog.example", false},
		{"", "https://blog.example.evil.example", "blog.example", false},
		{"", "null", "blog.example", false}, // a sandboxed frame
		{"", "::", "blog.example", false},
	} {
		if got := sameOrigin(c.fetchSite, c.origin, c.host); got != c.want {
			t.Errorf("Sec-Fetch-Site %q, Origin %q, Host %q: %v", c.fetchSite, c.origin, c.host, got)
		}
	}
}

func TestPager(t *testing.T) {
	p := NewPager(url.Values{"page": {"2"}, "q": {"a b"}, "show": {""}}, 10)
	p.Total = 25
	if p.Skip() != 10 || p.Last() != 3 || !p.HasPrevious() || !p.HasNext() {
		t.Errorf("%+v", p)
	}
	if p.Previous() != "?q=a+b" || p.Next() != "?page=3&q=a+b" {
		t.Errorf("links %s and %s", p.Previous(), p.Next())
	}
	for _, bad := range []string{"", "0", "-1", "x", "99999999999"} {
		p := NewPager(url.Values{"page": {bad}}, 10)
		if p.Number != 1 || p.Last() != 1 || p.HasNext() || p.Previous() != "?" {
			t.Errorf("page %q: %+v", bad, p)
		}
	}
}
