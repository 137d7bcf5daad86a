package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClusterCerts: certificates are good for their host on both sides of a connection, and for no other; what is there is kept unless it is to be
// renewed, by the same authority; what cannot be is refused.
func TestClusterCerts(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "certs")
	run := func(hosts string, flags ...string) (string, error) {
		t.Helper()
		fs := flag.NewFlagSet("certs", flag.ContinueOnError)
		do := setupClusterCerts(fs)
		if err := fs.Parse(flags); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		err := do(&Console{Out: &b, Err: io.Discard}, Input{Args: []string{folder, hosts}})
		return b.String(), err
	}
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := func(host string) (pem []byte) {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(filepath.Join(folder, host+".pem"), filepath.Join(folder, host+".key"))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(read("ca.pem"))
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
				t.Errorf("%s, use %d: %v", host, use, err)
			}
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "other"}); err == nil || pair.Leaf.IsCA {
			t.Errorf("%s is good for another host", host)
		}
		return read(host + ".pem")
	}
	out, err := run("10.0.0.1,node2.internal")
	if err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, "-peer-tls-cert "+filepath.Join(folder, "node2.internal.pem")) {
		t.Fatalf("%v %s", err, out)
	}
	first, authority := good("10.0.0.1"), read("ca.pem")
	good("node2.internal")
	if _, err := run("10.0.0.1,::1"); err != nil || !bytes.Equal(good("10.0.0.1"), first) {
		t.Errorf("what was there is not kept: %v", err)
	}
	good("::1")
	if _, err := run("10.0.0.1", "-renew"); err != nil || bytes.Equal(good("10.0.0.1"), first) || !bytes.Equal(read("ca.pem"), authority) {
		t.Errorf("renewed: %v", err)
	}
	for _, c := range [][]string{{""}, {"a,,b"}, {"ca"}, {"../a"}, {"a/b"}, {"host:7001"}, {"a b"}, {"a", "-valid", "0s"}, {"a", "-valid", "99999h"}} {
		if x, ok := errors.AsType[*ExitError](second(run(c[0], c[1:]...))); !ok || x.Code != CodeUsage {
			t.Errorf("%q is taken: %v", c, x)
		}
	}
	if info, err := os.Stat(filepath.Join(folder, "ca.key")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the key: %v %v", info, err)
	}
	if err := os.Remove(filepath.Join(folder, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := run("late"); err == nil || !strings.Contains(err.Error(), "take another folder") {
		t.Errorf("an authority takes the place of one whose key is gone: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
