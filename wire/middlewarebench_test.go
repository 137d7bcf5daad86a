package wire

import (
	"bytes"
	"log/slog"
	"testing"
	"time"
)

// BenchmarkMiddleware is the time per request of a server in memory, without and with a
// usual stack of middleware; the difference is what the stack costs.
func BenchmarkMiddleware(b *testing.B) {
	l := limiter(b, LimiterConfig{Quota: 1 << 30})
	stack := Chain(
		RequestID(),
		AccessLog(AccessLogConfig{Logger: slog.New(rawLog{min: slog.LevelError + 1})}),
		must(b)(SecurityHeaders(SecurityConfig{})),
		must(b)(CORS(CORSConfig{Origins: []string{"https://app.example.org"}})),
		must(b)(CrossOriginProtection(CrossOriginConfig{})),
		must(b)(RateLimit(l, RateLimitConfig{})),
		BodyLimit(1<<20),
	)
	const batch = 100
	raw := bytes.Repeat([]byte("GET /x HTTP/1.1\r\nHost: t\r\nUser-Agent: bench\r\nAccept: */*\r\nX-Request-Id: 0123456789\r\n\r\n"), batch)
	for name, h := range map[string]Handler{"none": answer, "stack": stack(answer)} {
		b.Run(name, func(b *testing.B) {
			s, err := NewServer(Config{Handler: h, Logger: quiet()})
			if err != nil {
				b.Fatal(err)
			}
			ml := newMemListener()
			go s.Serve(ml)
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				c := &memConn{in: raw, piece: 1 << 20, over: make(chan struct{})}
				ml.conns <- c
				<-c.over
			}
			b.ReportMetric(float64(b.Elapsed())/float64(time.Nanosecond)/float64(b.N)/batch, "ns/request")
		})
	}
}
