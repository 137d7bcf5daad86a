package lithair

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// writePair writes a self-signed certificate and its key into dir.
func writePair(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for _, f := range []struct{ name, kind, der string }{{cert, "CERTIFICATE", string(der)}, {key, "PRIVATE KEY", string(kder)}} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: []byte(f.der)}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// serialOf returns the serial number of the certificate that a server shows.
func serialOf(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestServesTLS(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{})
	a.cfg.TLSCert, a.cfg.TLSKey = writePair(t, dir, 1)
	a.Get("/scheme", func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/plain", []byte(r.Scheme()))
	})
	start(t, a)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + a.Addr() + "/scheme")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || string(body) != "https" {
		t.Errorf("%q, %v", body, err)
	}
	var out strings.Builder
	if a.banner(&out); !strings.Contains(out.String(), "is up: https://"+a.Addr()) {
		t.Errorf("banner: %s", out.String())
	}

	writePair(t, dir, 2)
	if a.reloadCertificates(); serialOf(t, a.Addr()) != 2 {
		t.Error("the new certificate is not in use")
	}
	if err := os.WriteFile(a.cfg.TLSKey, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a.reloadCertificates(); serialOf(t, a.Addr()) != 2 {
		t.Error("a damaged key has ended the certificate in use")
	}
}

func TestBadCertificatesStopTheStart(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	other, _ := writePair(t, t.TempDir(), 2)
	for _, x := range []struct{ cert, key string }{{"config.go", key}, {cert, "config.go"}, {other, key}} {
		code, out := runArgs(newApp(t, Config{}), "-tls-cert", x.cert, "-tls-key", x.key)
		if code != exitConfig || !strings.Contains(out, "tls-cert, tls-key: ") {
			t.Errorf("%s and %s: exit code %d: %s", x.cert, x.key, code, out)
		}
	}
}

func TestSIGHUPReloadsCertificates(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	p := spawn(t, "LITHAIR_TLS_CERT="+cert, "LITHAIR_TLS_KEY="+key)
	_, url := p.text()
	addr := strings.TrimPrefix(url, "https://")
	if n := serialOf(t, addr); n != 1 {
		t.Fatalf("serial number %d", n)
	}
	writePair(t, dir, 2)
	p.Process.Signal(syscall.SIGHUP)
	p.waitFor(t, "certificates were loaded")
	if n := serialOf(t, addr); n != 2 {
		t.Errorf("serial number %d after SIGHUP", n)
	}
	p.Process.Signal(syscall.SIGTERM)
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

func TestTrustedProxies(t *testing.T) {
	for _, x := range []struct {
		name, list string
		proxies    wire.ProxyConfig
		want       string // client address and scheme
	}{
		{"nobody", "", wire.ProxyConfig{}, "127.0.0.1 http"},
		{"nobody, though the program would believe more", "", wire.ProxyConfig{Proto: true}, "127.0.0.1 http"},
		{"somebody else", "10.0.0.0/8", wire.ProxyConfig{}, "127.0.0.1 http"},
		{"loopback", "10.0.0.0/8, loopback", wire.ProxyConfig{}, "203.0.113.9 http"},
		{"and its scheme", "127.0.0.1", wire.ProxyConfig{Proto: true}, "203.0.113.9 https"},
		{"two hops", "loopback,203.0.113.0/24", wire.ProxyConfig{}, "198.51.100.7 http"},
	} {
		a := newApp(t, Config{TrustedProxies: x.list, Proxies: x.proxies})
		a.Get("/who", func(w *wire.Response, r *wire.Request) error {
			return w.Send(200, "text/plain", []byte(r.ClientAddr().String()+" "+r.Scheme()))
		})
		start(t, a)
		got := call(t, a, "GET", "/who", "", "X-Forwarded-For: 198.51.100.7, 203.0.113.9", "X-Forwarded-Proto: https")
		if got.body != x.want {
			t.Errorf("%s: %q, want %q", x.name, got.body, x.want)
		}
	}
	a := newApp(t, Config{Proxies: wire.ProxyConfig{Forwarded: true}})
	if code, out := runArgs(a, "-trusted-proxies", "nonsense"); code != exitUsage || !regexp.MustCompile(`trusted-proxies: "nonsense"`).MatchString(out) {
		t.Errorf("exit code %d: %s", code, out)
	}
}
