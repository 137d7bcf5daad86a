package wire

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// handClock is a clock that a test moves.
type handClock struct{ ns atomic.Int64 }

func (c *handClock) now() time.Time        { return time.Unix(1_000_000, c.ns.Load()) }
func (c *handClock) move(by time.Duration) { c.ns.Add(int64(by)) }

func limiter(t testing.TB, cfg LimiterConfig) *Limiter {
	t.Helper()
	l, err := NewLimiter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimiterConfig(t *testing.T) {
	for _, c := range []struct {
		cfg   LimiterConfig
		field string
	}{
		{LimiterConfig{}, "Quota"}, {LimiterConfig{Quota: -1}, "Quota"}, {LimiterConfig{Quota: 1<<30 + 1}, "Quota"}, {LimiterConfig{Quota: 1, Window: -1}, "Window"},
		{LimiterConfig{Quota: 1000, Window: 10}, "Window"}, {LimiterConfig{Quota: 1, Burst: -1}, "Burst"}, {LimiterConfig{Quota: 1, Window: 24 * time.Hour, Burst: 1 << 30}, "Burst"},
		{LimiterConfig{Quota: 1, MaxKeys: -1}, "MaxKeys"},
	} {
		if _, err := NewLimiter(c.cfg); err == nil || !strings.Contains(err.Error(), "LimiterConfig."+c.field+":") {
			t.Errorf("%+v: %v, want an error that names %s", c.cfg, err, c.field)
		}
	}
}

func TestLimiterStory(t *testing.T) {
	var c handClock
	l := limiter(t, LimiterConfig{Quota: 6, Window: time.Minute, Burst: 3, Now: c.now}) // a token each 10 s, 3 at once
	for i, s := range []struct {
		after  time.Duration
		key    string
		tokens int
		want   Decision
	}{
		{0, "a", 0, Decision{true, 3, 0, 0}},
		{0, "a", 1, Decision{true, 2, 10 * time.Second, 0}},
		{0, "a", 2, Decision{true, 0, 30 * time.Second, 0}},
		{0, "a", 1, Decision{false, 0, 30 * time.Second, 10 * time.Second}},
		{0, "b", 1, Decision{true, 2, 10 * time.Second, 0}}, // others have their own
		{4 * time.Second, "a", 1, Decision{false, 0, 26 * time.Second, 6 * time.Second}},
		{6 * time.Second, "a", 1, Decision{true, 0, 30 * time.Second, 0}},
		{25 * time.Second, "a", 3, Decision{false, 2, 5 * time.Second, 5 * time.Second}},
		{0, "a", 2, Decision{true, 0, 25 * time.Second, 0}}, // a refusal took nothing
		{time.Hour, "a", 4, Decision{false, 3, 0, 0 + 1}},   // more than ever fits
		{0, "a", 3, Decision{true, 0, 30 * time.Second, 0}}, // and never more than Burst after a rest
		{-time.Hour, "a", 1, Decision{false, 0, 30 * time.Second, 10 * time.Second}},
		{10 * time.Second, "a", 1, Decision{true, 0, 30 * time.Second, 0}}, // a clock that went back locks nobody out
	} {
		c.move(s.after)
		if got := l.Take(s.key, s.tokens); got != s.want {
			t.Fatalf("step %d: %+v, want %+v", i, got, s.want)
		}
	}
}

// TestLimiterAgainstBucket holds the limiter against a bucket that counts what flows in.
func TestLimiterAgainstBucket(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var c handClock
		quota := 1 + rng.IntN(20)
		cfg := LimiterConfig{Quota: quota, Window: time.Duration(quota) * time.Duration(1+rng.IntN(int(time.Second))), Burst: 1 + rng.IntN(20), Now: c.now}
		l := limiter(t, cfg)
		interval := int64(cfg.Window) / int64(quota)
		fill, capacity := int64(cfg.Burst)*interval, int64(cfg.Burst)*interval // in ns of inflow
		for step := range 500 {
			dt := rng.Int64N(3 * interval)
			c.move(time.Duration(dt))
			fill = min(fill+dt, capacity)
			n := 1 + rng.IntN(3)
			want := fill >= int64(n)*interval
			if want {
				fill -= int64(n) * interval
			}
			if d := l.Take("k", n); d.OK != want || int64(d.Remaining) != fill/interval || int64(d.Reset) != capacity-fill {
				t.Fatalf("seed %d, step %d: %+v, want %v with %d left", seed, step, d, want, fill/interval)
			}
		}
	}
}

func TestLimiterMemoryIsBounded(t *testing.T) {
	var c handClock
	l := limiter(t, LimiterConfig{Quota: 10, Burst: 2, MaxKeys: 4096, Now: c.now})
	size := 0
	for i := range l.shards {
		size += len(l.shards[i].slots) * int(unsafe.Sizeof(limiterSlot{}))
	}
	if size != 4096*16 {
		t.Errorf("%d bytes for 4096 keys", size)
	}
	var wrong int
	for i := range 2000 { // fits: every key is told apart, nearly: rows are chosen by hash
		key := fmt.Sprint(i)
		if !l.Take(key, 2).OK {
			t.Fatalf("key %d is refused at first", i)
		}
	}
	for i := range 2000 {
		if l.Take(fmt.Sprint(i), 1).OK {
			wrong++
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 2000 keys were forgotten with room for 4096", wrong)
	}
	for i := range 100_000 { // a flood neither grows the memory nor locks anybody out
		if !l.Take(fmt.Sprint("flood", i), 1).OK {
			t.Fatalf("flood %d: a new key is refused", i)
		}
	}
	victims := 0
	for i := range 64 { // an active client that is over its limit stays so while others rest
		key := fmt.Sprint("active", i)
		l.Take(key, 2)
		if !l.Take(key, 1).OK {
			victims++
		}
	}
	if victims < 60 {
		t.Errorf("only %d of 64 active keys are held to their limit", victims)
	}
}

func TestLimiterConcurrently(t *testing.T) {
	var c handClock
	l := limiter(t, LimiterConfig{Quota: 1000, Window: time.Hour, Now: c.now})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 4000 {
				if l.Take([]string{"a", "b"}[i%2], 1).OK {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 2000 {
		t.Errorf("%d passed, want 1000 of each key", n)
	}
}

func TestAddrKey(t *testing.T) {
	same := func(a, b string) bool { return addrKey(netip.MustParseAddr(a)) == addrKey(netip.MustParseAddr(b)) }
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"192.0.2.1", "::ffff:192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false}, {"2001:db8::1", "2001:db8::2:3:4:5", true}, {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false}, {"fe80::1%a", "fe80::2%b", true}, {"::", "0.0.0.0", false},
	} {
		if same(c.a, c.b) != c.want {
			t.Errorf("%s, %s: want %v", c.a, c.b, c.want)
		}
	}
}

func TestRateLimit(t *testing.T) {
	if _, err := RateLimit(nil, RateLimitConfig{}); err == nil {
		t.Error("no limiter was taken")
	}
	var c handClock
	l := limiter(t, LimiterConfig{Quota: 100, Burst: 3, Now: c.now}) // a token each 600 ms
	if _, err := RateLimit(l, RateLimitConfig{Name: `a"b`}); err == nil {
		t.Error("a name with a quote was taken")
	}
	rt := NewRouter()
	rt.Use(must(t)(RateLimit(l, RateLimitConfig{Legacy: true})))
	perUser := limiter(t, LimiterConfig{Quota: 1, Window: time.Second, Now: c.now})
	user := must(t)(RateLimit(perUser, RateLimitConfig{Name: "user", Key: func(r *Request) string { return r.Header("X-User") }}))
	if err := rt.Get("/user", answer, user); err != nil {
		t.Fatal(err)
	}
	if err := rt.Get("/{$}", answer); err != nil {
		t.Fatal(err)
	}
	ask := asker(t, rt.Handler(), func(cfg *Config) { cfg.Proxies.Trusted = prefixes(t, "loopback") })
	check := func(resp *http.Response, status int, limit, after string) {
		t.Helper()
		h := resp.Header
		if got := strings.Join(h["Ratelimit"], ", "); resp.StatusCode != status || got != limit || h.Get("Retry-After") != after || h["Ratelimit-Policy"][0] != `"default";q=100;w=60` {
			t.Errorf("%d, RateLimit: %s, Policy %q, Retry-After: %s; want %d, %s, %s", resp.StatusCode, got, h["Ratelimit-Policy"], h.Get("Retry-After"), status, limit, after)
		}
	}
	const one, two, six = "\nX-Forwarded-For: 192.0.2.1", "\nX-Forwarded-For: 192.0.2.2", "\nX-Forwarded-For: 2001:db8::"
	check(ask("GET / HTTP/1.1"+one), 200, `"default";r=2;t=1`, "")
	check(ask("GET / HTTP/1.1"+one), 200, `"default";r=1;t=2`, "")
	resp := ask("GET /none HTTP/1.1" + one)
	check(resp, 404, `"default";r=0;t=2`, "")
	if h := resp.Header; h.Get("X-RateLimit-Limit") != "100" || h.Get("X-RateLimit-Remaining") != "0" || h.Get("X-RateLimit-Reset") != "2" {
		t.Errorf("the older fields: %v", h)
	}
	resp = ask("GET / HTTP/1.1" + one)
	check(resp, 429, `"default";r=0;t=2`, "1")
	if body := text(t, resp); !strings.Contains(body, `"code":"rate_limited"`) {
		t.Errorf("body %s", body)
	}
	check(ask("GET / HTTP/1.1"+two), 200, `"default";r=2;t=1`, "")
	check(ask("GET / HTTP/1.1"+six+"1"), 200, `"default";r=2;t=1`, "")
	check(ask("GET / HTTP/1.1"+six+"2"), 200, `"default";r=1;t=2`, "") // the same /64
	c.move(time.Hour)
	check(ask("GET /user HTTP/1.1\nX-User: a"+one), 200, `"default";r=2;t=1, "user";r=0;t=1`, "")
	check(ask("GET /user HTTP/1.1\nX-User: b"+one), 200, `"default";r=1;t=2, "user";r=0;t=1`, "")
	check(ask("GET /user HTTP/1.1\nX-User: a"+one), 429, `"default";r=0;t=2, "user";r=0;t=1`, "1")
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	l := limiter(t, LimiterConfig{Quota: 1 << 20, Window: time.Minute})
	addr, _ := serveCases(t, func(c *Config) { c.Handler = must(t)(RateLimit(l, RateLimitConfig{Legacy: true}))(answer) })
	if n := exchange(t, addr, sixteenFields); n > 0 {
		t.Errorf("%v allocations per request, want none", n)
	}
}

func BenchmarkLimiterTake(b *testing.B) {
	l := limiter(b, LimiterConfig{Quota: 1 << 30, Window: time.Hour})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		a := addrKey(netip.AddrFrom4([4]byte{10, 0, byte(rand.Uint32()), byte(rand.Uint32())}))
		for pb.Next() {
			l.takeBytes(a[:], 1)
		}
	})
}
