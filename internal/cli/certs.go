package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// An authority of one's own for the connections between nodes: enough for development, and for clusters whose operators have no
// other. Its key signs whatever is to be a node, so it belongs on none of them.

const (
	authorityName  = "ca"
	authorityValid = 10 * 365 * 24 * time.Hour
	maxCertValid   = 5 * 365 * 24 * time.Hour
	clockMargin    = time.Hour // clocks that are behind take a new certificate, too
)

// setupClusterCerts makes certificates for the connections between nodes.
func setupClusterCerts(fs *flag.FlagSet) func(*Console, Input) error {
	json := fs.Bool("json", false, "print one JSON document")
	valid := fs.Duration("valid", 365*24*time.Hour, "how long the certificates are good for, five years at most")
	renew := fs.Bool("renew", false, "make new ones for hosts that have some; nodes that run take them by themselves")
	return func(c *Console, in Input) error {
		if *valid <= 0 || *valid > maxCertValid {
			return &ExitError{CodeUsage, fmt.Errorf("-valid: %v is not between 0 and %v", *valid, maxCertValid)}
		}
		hosts := strings.Split(in.Args[1], ",")
		for _, host := range hosts {
			if host == "" || host == authorityName || host != filepath.Base(host) || strings.HasPrefix(host, ".") || strings.ContainsFunc(host, unprintable) || strings.Contains(host, ":") && net.ParseIP(host) == nil {
				return &ExitError{CodeUsage, fmt.Errorf("%q is no name or address of a host, without its port", host)}
			}
		}
		a, err := openAuthority(in.Args[0])
		if err != nil {
			return err
		}
		var lines []string
		for _, host := range hosts {
			if err := a.sign(host, *valid, *renew); err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("-peer-tls-cert %s -peer-tls-key %s -peer-tls-ca %s", a.file(host, ".pem"), a.file(host, ".key"), a.file(authorityName, ".pem")))
		}
		if *json {
			return c.PrintJSON(map[string]any{"ca": a.file(authorityName, ".pem"), "hosts": hosts, "flags": lines})
		}
		fmt.Fprintf(c.Err, "Each node needs its own .pem and .key, and %s; %s stays with you: it makes nodes.\nHosts are those that -peers, -join and -peer-addr name. Start the nodes with these beside their other flags:\n",
			a.file(authorityName, ".pem"), a.file(authorityName, ".key"))
		for _, line := range lines {
			if _, err := fmt.Fprintln(c.Out, line); err != nil {
				return err
			}
		}
		return nil
	}
}

// authority signs certificates of nodes.
type authority struct {
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func (a *authority) file(name, ext string) string { return filepath.Join(a.folder, name+ext) }

// openAuthority reads the authority in a folder, or makes one there.
func openAuthority(folder string) (*authority, error) {
	a := &authority{folder: folder}
	text, err := os.ReadFile(a.file(authorityName, ".key"))
	if errors.Is(err, fs.ErrNotExist) {
		if err := a.begin(); err != nil {
			return nil, err
		}
		return openAuthority(folder)
	}
	if err != nil {
		return nil, err
	}
	secret, _ := pem.Decode(text)
	text, err = os.ReadFile(a.file(authorityName, ".pem"))
	if err != nil {
		return nil, err
	}
	cert, _ := pem.Decode(text)
	if secret == nil || cert == nil {
		return nil, fmt.Errorf("%s: what %s.pem and %s.key hold is not PEM", folder, authorityName, authorityName)
	}
	if a.cert, err = x509.ParseCertificate(cert.Bytes); err != nil {
		return nil, fmt.Errorf("%s: %w", a.file(authorityName, ".pem"), err)
	}
	key, err := x509.ParsePKCS8PrivateKey(secret.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.file(authorityName, ".key"), err)
	}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, fmt.Errorf("%s: %s.key is not the key of %s.pem", folder, authorityName, authorityName)
	}
	return a, nil
}

// begin makes the authority itself.
func (a *authority) begin() (err error) {
	if err := os.MkdirAll(a.folder, 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(a.file(authorityName, ".pem")); err == nil {
		return &ExitError{CodeLocked, fmt.Errorf("%s is there and its key is not: take another folder", a.file(authorityName, ".pem"))}
	}
	a.cert = &x509.Certificate{Subject: pkix.Name{CommonName: "lithair cluster"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLenZero: true}
	a.key, err = a.write(authorityName, a.cert, authorityValid)
	return err
}

// sign makes key and certificate of a host; what is there is kept unless it is to be renewed.
func (a *authority) sign(host string, valid time.Duration, renew bool) error {
	if _, err := os.Lstat(a.file(host, ".pem")); err == nil && !renew {
		return nil
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: host}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{host}
	}
	_, err := a.write(host, c, valid)
	return err
}

// write signs a certificate with the authority's key, or, of the authority, with its own, and writes both files: the key
// first, since a certificate that has come makes nodes read both.
func (a *authority) write(name string, c *x509.Certificate, valid time.Duration) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	by := a.key
	if by == nil {
		by = key
	}
	now := time.Now()
	c.NotBefore, c.NotAfter, c.BasicConstraintsValid = now.Add(-clockMargin), now.Add(valid), true
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, by)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeAtomic(a.file(name, ".key"), &pem.Block{Type: "PRIVATE KEY", Bytes: secret}); err != nil {
		return nil, err
	}
	return key, writeAtomic(a.file(name, ".pem"), &pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func writeAtomic(name string, b *pem.Block) error {
	return disk.WriteFileAtomic(disk.Real(), name, pem.EncodeToMemory(b))
}
