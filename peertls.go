package lithair

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// peerTLS is TLS between nodes: both sides show a certificate of the cluster's authorities. All files may be replaced
// while nodes run: first the authorities everywhere, by a file that holds the old ones and the new, then the certificates.
func (a *App) peerTLS() (cfg *tls.Config, trust func() *x509.CertPool, err error) {
	if a.cfg.PeerTLSCert == "" {
		return nil, nil, nil
	}
	certs, err := wire.LoadCertificates(wire.CertificatesConfig{Pairs: []wire.KeyPair{{CertFile: a.cfg.PeerTLSCert, KeyFile: a.cfg.PeerTLSKey}}, Logger: a.log})
	if err != nil {
		return nil, nil, fmt.Errorf("peer-tls-cert, peer-tls-key: %w", err)
	}
	ca := &authorities{name: a.cfg.PeerTLSCA, log: a.log}
	if err := ca.read(); err != nil {
		return nil, nil, fmt.Errorf("peer-tls-ca: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert,
		GetCertificate: certs.GetCertificate,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certs.GetCertificate(&tls.ClientHelloInfo{})
		},
	}, ca.pool, nil
}

// authorities are those in a PEM file, which is read again when it is another.
type authorities struct {
	name string
	log  *slog.Logger

	mu     sync.Mutex
	inUse  *x509.CertPool
	file   os.FileInfo // from before it was read
	looked time.Time
	failed string // the last error, which is logged once
}

// authoritiesPause is how often the file is looked at, at most.
const authoritiesPause = time.Second

// pool returns those in use. Where the file cannot be used any more, they stay.
func (a *authorities) pool() *x509.CertPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.looked) < authoritiesPause {
		return a.inUse
	}
	was, failed := a.inUse, ""
	if err := a.read(); err != nil {
		failed = err.Error()
	}
	switch {
	case failed != "" && failed != a.failed:
		a.log.Error("the new authorities of other nodes could not be used; the old ones stay", "error", failed)
	case a.inUse != was:
		a.log.Info("the authorities of other nodes were loaded", "file", a.name)
	}
	a.failed = failed
	return a.inUse
}

// read reads the file if it is another than the one that was read.
func (a *authorities) read() error {
	a.looked = time.Now()
	file, err := os.Stat(a.name)
	if err != nil {
		return err
	}
	if a.file != nil && os.SameFile(a.file, file) && a.file.ModTime().Equal(file.ModTime()) && a.file.Size() == file.Size() {
		return nil
	}
	pem, err := os.ReadFile(a.name)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", a.name)
	}
	a.inUse, a.file = pool, file
	return nil
}
