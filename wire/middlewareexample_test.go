package wire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// serveConfig starts a server on loopback, as the examples do.
func serveConfig(cfg wire.Config) (url string, stop func()) {
	s, err := wire.NewServer(cfg)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l)
	return "http://" + l.Addr().String(), func() { s.Close() }
}

// show sends a request and prints the status and some fields of the response.
func show(method, url string, fields [][2]string, names ...string) {
	c, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	q := &wire.ClientRequest{Method: method, URL: url}
	for _, f := range fields {
		q.SetHeader(f[0], f[1])
	}
	r, err := c.Do(context.Background(), q)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Println(r.StatusCode())
	for _, n := range names {
		if v := r.Header(n); v != "" {
			fmt.Printf("  %s: %s\n", n, v)
		}
	}
}

func hi(w *wire.Response, r *wire.Request) error {
	_, err := w.WriteString("hi\n")
	return err
}

// A usual stack: the first is outermost, so the log sees what all others made of a
// request. Health checks are not logged.
func ExampleChain() {
	security, err := wire.SecurityHeaders(wire.SecurityConfig{ContentSecurityPolicy: "default-src 'none'"})
	if err != nil {
		log.Fatal(err)
	}
	own, err := wire.CrossOriginProtection(wire.CrossOriginConfig{})
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key { // what differs from run to run
		case "time", "duration", "client", "user_agent":
			return slog.Attr{}
		}
		return a
	}}))
	notHealth := func(r *wire.Request) bool { return r.Path() != "/health" }
	rt := wire.NewRouter()
	rt.Use(
		wire.RequestID(),
		wire.When(notHealth, wire.AccessLog(wire.AccessLogConfig{Logger: logger})),
		security, own, wire.BodyLimit(1<<20), wire.Timeout(10*time.Second),
	)
	if err := errors.Join(rt.Get("/health", hi), rt.Post("/notes", hi)); err != nil {
		log.Fatal(err)
	}
	url, stop := serveConfig(wire.Config{Handler: rt.Handler()})
	defer stop()

	show("GET", url+"/health", nil, "X-Content-Type-Options")
	show("POST", url+"/notes", [][2]string{{"Origin", "https://evil.example"}, {"X-Request-Id", "r-1"}}, "X-Request-Id")
	// Output:
	// 200
	//   X-Content-Type-Options: nosniff
	// level=INFO msg=request method=POST path=/notes route="POST /notes" status=403 bytes=0 request_id=r-1 error="403 Forbidden: a page of another origin may not send this request"
	// 403
	//   X-Request-Id: r-1
}

// Two requests a minute for each client; a proxy on this machine says who that is.
func ExampleRateLimit() {
	limiter, err := wire.NewLimiter(wire.LimiterConfig{Quota: 2})
	if err != nil {
		log.Fatal(err)
	}
	limit, err := wire.RateLimit(limiter, wire.RateLimitConfig{})
	if err != nil {
		log.Fatal(err)
	}
	local, err := wire.ParsePrefixes("loopback")
	if err != nil {
		log.Fatal(err)
	}
	url, stop := serveConfig(wire.Config{Handler: limit(hi), Proxies: wire.ProxyConfig{Trusted: local}})
	defer stop()

	for _, client := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "2001:db8::1"} {
		show("GET", url, [][2]string{{"X-Forwarded-For", client}}, "RateLimit", "Retry-After")
	}
	// Output:
	// 200
	//   RateLimit: "default";r=1;t=30
	// 200
	//   RateLimit: "default";r=0;t=60
	// 429
	//   RateLimit: "default";r=0;t=60
	//   Retry-After: 30
	// 200
	//   RateLimit: "default";r=1;t=30
}

func ExampleCORS() {
	cors, err := wire.CORS(wire.CORSConfig{Origins: []string{"https://*.example.org"}, Credentials: true})
	if err != nil {
		log.Fatal(err)
	}
	url, stop := serveConfig(wire.Config{Handler: cors(hi)})
	defer stop()

	for _, origin := range []string{"https://app.example.org", "https://evilexample.org"} {
		show("OPTIONS", url, [][2]string{{"Origin", origin}, {"Access-Control-Request-Method", "PUT"}}, "Access-Control-Allow-Origin", "Access-Control-Allow-Methods")
	}
	_, err = wire.CORS(wire.CORSConfig{Origins: []string{"*"}, Credentials: true})
	fmt.Println(err)
	// Output:
	// 204
	//   Access-Control-Allow-Origin: https://app.example.org
	//   Access-Control-Allow-Methods: PUT, PATCH, DELETE
	// 403
	// wire: CORSConfig.Origins: "*" stands alone and never with Credentials
}

// Certificates that are replaced in their files are in use from the next handshake on,
// seconds later, and at once on SIGHUP.
func ExampleCertificates() {
	certs, err := wire.LoadCertificates(wire.CertificatesConfig{Pairs: []wire.KeyPair{{CertFile: "cert.pem", KeyFile: "key.pem"}}})
	if err != nil {
		log.Fatal(err)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			if err := certs.Reload(); err != nil {
				log.Print(err) // the old ones stay
			}
		}
	}()
	s, err := wire.NewServer(wire.Config{Handler: hi})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(s.ListenAndServeTLS("tcp", ":8443", &tls.Config{GetCertificate: certs.GetCertificate}))
}

// A program that starts its successor on SIGHUP and loses no request on the way. Started
// by hand it listens itself; started by systemd, or by its predecessor, it finds its
// listener open.
func ExampleHandover() {
	in, err := wire.Inherit()
	if err != nil {
		log.Fatal(err)
	}
	l := in.Listener("http")
	if l == nil {
		if l, err = net.Listen("tcp", ":8080"); err != nil {
			log.Fatal(err)
		}
	}
	s, err := wire.NewServer(wire.Config{Handler: hi, ShutdownGrace: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l)
	if err := in.Ready(); err != nil { // the predecessor stops now
		log.Fatal(err)
	}

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	for range hup {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := wire.Handover(ctx, exec.Command(os.Args[0], os.Args[1:]...), map[string]net.Listener{"http": l})
		cancel()
		if err == nil {
			break
		}
		log.Print(err) // the successor did not get ready: go on
	}
	if err := s.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}
