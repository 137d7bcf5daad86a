package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// KeyPair names the PEM files of a certificate chain, the leaf first, and its key.
type KeyPair struct{ CertFile, KeyFile string }

// CertificatesConfig says where certificates are. Pairs is required.
type CertificatesConfig struct {
	Pairs      []KeyPair        // the first is for clients that ask for no name, or one that none covers
	CheckEvery time.Duration    // how often files are looked at, at most; default 10 s
	Logger     *slog.Logger     // default slog.Default()
	Now        func() time.Time // default time.Now; must be safe for concurrent use
}

// Certificates are certificates in files that may be replaced while a server runs:
//
//	certs, err := wire.LoadCertificates(wire.CertificatesConfig{Pairs: []wire.KeyPair{{"cert.pem", "key.pem"}}})
//	err = s.ListenAndServeTLS("tcp", ":443", &tls.Config{GetCertificate: certs.GetCertificate})
//
// A handshake now and then looks at the files' times and sizes, through symbolic links;
// [Certificates.Reload] looks at once. All pairs are replaced together, or none: where one
// cannot be read, a key does not fit its certificate, or a certificate has expired and
// the one in use has not, those in use stay, and the log says why. Methods are safe for
// concurrent use.
type Certificates struct {
	cfg   CertificatesConfig
	inUse atomic.Pointer[certificates]
	next  atomic.Int64 // Unix time in ns of the next look

	mu     sync.Mutex // one reload at a time; protects failed
	failed string     // the last reload's error, which is logged once
}

// certificates are those of one moment; they do not change.
type certificates struct {
	pairs []*tls.Certificate
	files []os.FileInfo // of certificates and keys in turn, from before they were read
}

// LoadCertificates reads all pairs. An expired certificate is taken, with a warning: the
// other names of the server shall not suffer.
func LoadCertificates(cfg CertificatesConfig) (*Certificates, error) {
	if len(cfg.Pairs) == 0 {
		return nil, errors.New("wire: CertificatesConfig.Pairs is empty")
	}
	if cfg.CheckEvery < 0 {
		return nil, errors.New("wire: CertificatesConfig.CheckEvery is negative")
	}
	if cfg.CheckEvery == 0 {
		cfg.CheckEvery = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Certificates{cfg: cfg}
	now, err := c.load()
	if err != nil {
		return nil, err
	}
	for i, p := range now.pairs {
		if cfg.Now().After(p.Leaf.NotAfter) {
			cfg.Logger.Warn("a certificate has expired", "file", cfg.Pairs[i].CertFile, "not_after", p.Leaf.NotAfter)
		}
	}
	c.inUse.Store(now)
	c.next.Store(cfg.Now().Add(cfg.CheckEvery).UnixNano())
	return c, nil
}

// GetCertificate is for tls.Config.GetCertificate: the first pair that the client can use
// for the name it asks for, or else the first.
func (c *Certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.look()
	now := c.inUse.Load()
	if len(now.pairs) > 1 {
		for _, p := range now.pairs {
			if hello.SupportsCertificate(p) == nil {
				return p, nil
			}
		}
	}
	return now.pairs[0], nil
}

// look reloads what has changed when it is time for that. One caller does; the others go
// on with what is in use.
func (c *Certificates) look() {
	now, next := c.cfg.Now(), c.next.Load()
	if now.UnixNano() < next || !c.next.CompareAndSwap(next, now.Add(c.cfg.CheckEvery).UnixNano()) {
		return
	}
	err := c.reload(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.failed = ""
	case err.Error() != c.failed:
		c.failed = err.Error()
		c.cfg.Logger.Error("new certificates could not be used; the old ones stay", "error", err)
	}
}

// Reload reads all pairs again, as on a signal. On an error those in use stay.
func (c *Certificates) Reload() error { return c.reload(true) }

func (c *Certificates) reload(always bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.inUse.Load()
	if !always && c.unchanged(old.files) {
		return nil
	}
	now, err := c.load()
	if err != nil {
		return err
	}
	t := c.cfg.Now()
	for i, p := range now.pairs {
		if t.After(p.Leaf.NotAfter) && !t.After(old.pairs[i].Leaf.NotAfter) {
			return fmt.Errorf("wire: %s has expired on %s", c.cfg.Pairs[i].CertFile, p.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	c.inUse.Store(now)
	c.cfg.Logger.Info("certificates were loaded", "not_after", now.pairs[0].Leaf.NotAfter)
	return nil
}

// load reads all pairs from their files.
func (c *Certificates) load() (*certificates, error) {
	files, err := c.stat()
	if err != nil {
		return nil, err
	}
	now := &certificates{files: files}
	for _, p := range c.cfg.Pairs {
		pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("wire: %s and %s: %w", p.CertFile, p.KeyFile, err)
		}
		now.pairs = append(now.pairs, &pair)
	}
	return now, nil
}

func (c *Certificates) stat() (files []os.FileInfo, err error) {
	for _, p := range c.cfg.Pairs {
		for _, name := range []string{p.CertFile, p.KeyFile} {
			info, err := os.Stat(name)
			if err != nil {
				return nil, fmt.Errorf("wire: %w", err)
			}
			files = append(files, info)
		}
	}
	return files, nil
}

// unchanged says that the files are those that were read. A file that cannot be looked at
// counts as changed, so that the error is found.
func (c *Certificates) unchanged(was []os.FileInfo) bool {
	files, err := c.stat()
	if err != nil {
		return false
	}
	for i, f := range files {
		if !os.SameFile(f, was[i]) || f.Size() != was[i].Size() || !f.ModTime().Equal(was[i].ModTime()) {
			return false
		}
	}
	return true
}
