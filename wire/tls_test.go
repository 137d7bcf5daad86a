package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// makePair makes a self-signed certificate, as PEM.
func makePair(t testing.TB, serial int64, ends time.Time, names ...string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: ends,
		DNSNames: names, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder})
}

func tlsPair(t testing.TB) tls.Certificate {
	t.Helper()
	c, k := makePair(t, 1, time.Now().Add(time.Hour), "example.org")
	pair, err := tls.X509KeyPair(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// serveTLS starts a TLS server on loopback.
func serveTLS(t testing.TB, cfg *tls.Config, change ...func(*Config)) (addr string, s *Server) {
	t.Helper()
	c := Config{Handler: caseHandler, Logger: quiet(), LingerTimeout: 100 * time.Millisecond}
	for _, fn := range change {
		fn(&c)
	}
	s, err := NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l, cfg) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != ErrServerClosed {
			t.Errorf("ServeTLS: %v", err)
		}
	})
	return l.Addr().String(), s
}

func TestTLS(t *testing.T) {
	addr, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{tlsPair(t)}, NextProtos: []string{"h2", "acme-tls/1"}},
		func(c *Config) {
			c.Handler = func(w *Response, r *Request) error {
				return w.Send(200, "", fmt.Appendf(nil, "%s %t", r.Scheme(), r.TLS() != nil))
			}
		})
	for _, c := range []struct {
		name   string
		cfg    *tls.Config
		proto  string
		fails  string // in the client's error
		closed bool   // after the handshake
	}{
		{"plain client", &tls.Config{}, "", "", false},
		{"http/1.1", &tls.Config{NextProtos: []string{"http/1.1"}}, "http/1.1", "", false},
		{"h2 and http/1.1", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, "http/1.1", "", false},
		{"h2 alone", &tls.Config{NextProtos: []string{"h2"}}, "", "no application protocol", false},
		{"a challenge", &tls.Config{NextProtos: []string{"acme-tls/1"}}, "acme-tls/1", "", true},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, "", "", false},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "", "protocol version", false},
	} {
		c.cfg.InsecureSkipVerify = true
		nc, err := tls.Dial("tcp", addr, c.cfg)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %q", c.name, err, c.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if p := nc.ConnectionState().NegotiatedProtocol; p != c.proto {
			t.Errorf("%s: protocol %q, want %q", c.name, p, c.proto)
		}
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n") // where it is closed, reading says so
		b, err := io.ReadAll(nc)
		if n := bytes.Count(b, []byte("\r\n\r\nhttps true")); !c.closed && (n != 2 || err != nil) || c.closed && n != 0 {
			t.Errorf("%s: %q, %v", c.name, b, err)
		}
		nc.Close()
	}
}

func TestTLSConfigWithoutCertificates(t *testing.T) {
	s, err := NewServer(Config{Handler: caseHandler})
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []*tls.Config{nil, {}} {
		if err := s.ListenAndServeTLS("tcp", "127.0.0.1:0", cfg); err == nil || errors.Is(err, ErrServerClosed) {
			t.Errorf("%v: %v", cfg, err)
		}
	}
}

func TestPlainHTTPOnTLSPort(t *testing.T) {
	addr, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{tlsPair(t)}})
	for _, c := range []struct {
		send string
		http bool
	}{
		{"GET / HTTP/1.1\r\nHost: t\r\n\r\n", true}, {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 30_000), true},
		{"PUT / HTTP/1.1\r\n\r\n", true}, {"OPTIONS * HTTP/1.1\r\n\r\n", true}, {"DELETE /x HTTP/1.1\r\n\r\n", true},
		{"\x00\x01\x02\x03\x04\x05", false}, {"SSH-2.0-x\r\n", false}, {"get / HTTP/1.1\r\n\r\n", false},
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, c.send) // the server may end it early
		b, _ := io.ReadAll(nc)     // what arrived counts
		if got := bytes.HasPrefix(b, []byte("HTTP/1.1 400 Bad Request\r\n")) && bytes.HasSuffix(b, []byte("came as plain HTTP.\n")); got != c.http {
			t.Errorf("%.20q: %q", c.send, b)
		}
		nc.Close()
	}
}

// TestSlowHandshakes: clients that never finish a handshake neither stop others nor stay.
func TestSlowHandshakes(t *testing.T) {
	addr, s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{tlsPair(t)}}, func(c *Config) { c.HandshakeTimeout = 300 * time.Millisecond })
	var slow []net.Conn
	for i := range 20 {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if i%2 == 0 {
			nc.Write([]byte{22, 3, 1, 2}) // the beginning of a record
		}
		slow = append(slow, nc)
	}
	nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(nc); err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")) {
		t.Errorf("%q, %v", b, err)
	}
	nc.Close()
	for _, nc := range slow {
		io.ReadAll(nc) // ends when the server closes
	}
	for deadline := time.Now().Add(10 * time.Second); s.Conns() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", s.Conns())
		}
	}
}

// certFiles writes pairs and loads them, with a clock of the test's own.
type certFiles struct {
	dir   string
	pairs []KeyPair
	certs *Certificates
	clock handClock
	log   bytes.Buffer
	mu    sync.Mutex
}

func (c *certFiles) write(t testing.TB, i int, serial int64, ends time.Time, name string) {
	t.Helper()
	cert, key := makePair(t, serial, ends, name)
	for file, b := range map[string][]byte{c.pairs[i].CertFile: cert, c.pairs[i].KeyFile: key} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serial returns the serial number of the certificate that a client asking for name gets,
// once it was time to look at the files.
func (c *certFiles) serial(t testing.TB, name string) int64 {
	t.Helper()
	c.clock.move(11 * time.Second)
	hello := &tls.ClientHelloInfo{ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}}
	pair, err := c.certs.GetCertificate(hello)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.Int64()
}

func newCertFiles(t testing.TB) *certFiles {
	t.Helper()
	c := &certFiles{dir: t.TempDir()}
	for _, n := range []string{"a", "b"} {
		c.pairs = append(c.pairs, KeyPair{filepath.Join(c.dir, n+".crt"), filepath.Join(c.dir, n+".key")})
	}
	c.write(t, 0, 1, time.Now().Add(24*time.Hour), "a.example")
	c.write(t, 1, 2, time.Now().Add(24*time.Hour), "b.example")
	start := time.Now()
	certs, err := LoadCertificates(CertificatesConfig{Pairs: c.pairs, Logger: slog.New(rawLog{&c.mu, &c.log, slog.LevelInfo}),
		Now: func() time.Time { return start.Add(time.Duration(c.clock.ns.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	c.certs = certs
	return c
}

func TestCertificatesReload(t *testing.T) {
	c := newCertFiles(t)
	day := time.Now().Add(24 * time.Hour)
	want := func(what, name string, serial int64) {
		t.Helper()
		if got := c.serial(t, name); got != serial {
			t.Errorf("%s: certificate %d for %s, want %d", what, got, name, serial)
		}
	}
	want("at first", "a.example", 1)
	want("by name", "b.example", 2)
	want("a name that none covers", "c.example", 1)
	want("no name", "", 1)

	c.write(t, 0, 10, day, "a.example")
	want("replaced", "a.example", 10)
	want("the other stays", "b.example", 2)

	before := c.certs.inUse.Load()
	want("unchanged", "a.example", 10)
	if c.certs.inUse.Load() != before {
		t.Error("unchanged files were read again")
	}

	_, key := makePair(t, 99, day, "a.example")
	if err := os.WriteFile(c.pairs[0].KeyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	c.write(t, 1, 20, day, "b.example")
	want("a key that does not fit", "a.example", 10)
	want("all or none", "b.example", 2)
	want("and again", "b.example", 2)
	if n := strings.Count(c.log.String(), "could not be used"); n != 1 {
		t.Errorf("the mistake was logged %d times: %s", n, c.log.String())
	}
	if err := c.certs.Reload(); err == nil || !strings.Contains(err.Error(), c.pairs[0].KeyFile) {
		t.Errorf("Reload: %v", err)
	}
	c.write(t, 0, 11, day, "a.example")
	want("mended", "a.example", 11)
	want("mended", "b.example", 20)

	c.write(t, 0, 12, time.Now().Add(-time.Hour), "a.example")
	want("expired", "a.example", 11)
	if err := c.certs.Reload(); err == nil || !strings.Contains(err.Error(), "has expired on") {
		t.Errorf("Reload: %v", err)
	}
	if err := os.Remove(c.pairs[0].CertFile); err != nil {
		t.Fatal(err)
	}
	want("gone", "a.example", 11)

	// as Kubernetes does it: a link that moves to another folder, with old times
	next := filepath.Join(c.dir, "next")
	cert, key := makePair(t, 13, day, "a.example")
	if err := errors.Join(os.WriteFile(next+".crt", cert, 0o600), os.WriteFile(next+".key", key, 0o600), os.Chtimes(next+".crt", time.Unix(1, 0), time.Unix(1, 0)),
		os.Symlink(next+".crt", c.pairs[0].CertFile), os.Remove(c.pairs[0].KeyFile), os.Symlink(next+".key", c.pairs[0].KeyFile)); err != nil {
		t.Fatal(err)
	}
	want("by a link", "a.example", 13)
	c.write(t, 1, 21, day, "b.example")
	if err := c.certs.Reload(); err != nil {
		t.Error(err)
	}
	if got := c.certs.inUse.Load().pairs[1].Leaf.SerialNumber.Int64(); got != 21 {
		t.Errorf("after Reload: %d", got)
	}
}

func TestCertificatesAreNotLookedAtEachTime(t *testing.T) {
	c := newCertFiles(t)
	if err := os.Remove(c.pairs[0].CertFile); err != nil {
		t.Fatal(err)
	}
	if _, err := c.certs.GetCertificate(&tls.ClientHelloInfo{}); err != nil || c.log.Len() > 0 {
		t.Errorf("looked at before it is time: %v, %s", err, c.log.String())
	}
}

func TestLoadCertificatesErrors(t *testing.T) {
	c := newCertFiles(t)
	bad := filepath.Join(c.dir, "bad")
	if err := os.WriteFile(bad, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []CertificatesConfig{
		{}, {Pairs: c.pairs, CheckEvery: -1}, {Pairs: []KeyPair{{bad, bad}}}, {Pairs: []KeyPair{{c.pairs[0].CertFile, c.pairs[1].KeyFile}}}, {Pairs: []KeyPair{{c.dir + "/none", bad}}},
	} {
		if _, err := LoadCertificates(cfg); err == nil || !strings.HasPrefix(err.Error(), "wire: ") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	c.write(t, 0, 5, time.Now().Add(-time.Hour), "a.example")
	var mu sync.Mutex
	var out bytes.Buffer
	if _, err := LoadCertificates(CertificatesConfig{Pairs: c.pairs, Logger: slog.New(rawLog{&mu, &out, slog.LevelInfo})}); err != nil || !strings.Contains(out.String(), "WARN a certificate has expired") {
		t.Errorf("expired from the start: %v, %q", err, out.String())
	}
}

// TestCertificatesUnderLoad replaces files while handshakes go on: none fails.
func TestCertificatesUnderLoad(t *testing.T) {
	c := newCertFiles(t)
	addr, _ := serveTLS(t, &tls.Config{GetCertificate: c.certs.GetCertificate})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	seen := make([]map[int64]bool, 2)
	for i := range seen {
		seen[i] = map[int64]bool{}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "a.example"})
				if err != nil {
					t.Error(err)
					return
				}
				seen[i][nc.ConnectionState().PeerCertificates[0].SerialNumber.Int64()] = true
				nc.Close()
			}
		})
	}
	for n := range int64(10) {
		c.write(t, 0, 100+n, time.Now().Add(24*time.Hour), "a.example")
		if got := c.serial(t, "a.example"); got != 100+n { // a handshake between the two files may have found them apart; then it is time again
			if got = c.serial(t, "a.example"); got != 100+n {
				t.Errorf("certificate %d, want %d", got, 100+n)
			}
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("clients saw %d and %d certificates", len(seen[0]), len(seen[1]))
}
