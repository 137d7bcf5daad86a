package lithair

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/lithair/lithair-go/wire"
)

// transport is how clients reach the application: over TLS or not, and through which
// proxies.
type transport struct {
	certs   *wire.Certificates // nil: no TLS
	proxies wire.ProxyConfig
}

// openTransport makes ready what the settings ask for. Certificates are read here, and again
// when their files change.
func (a *App) openTransport() (t transport, err error) {
	if t.proxies, err = a.cfg.proxyConfig(); err != nil {
		return t, err
	}
	if a.cfg.TLSCert == "" {
		return t, nil
	}
	t.certs, err = wire.LoadCertificates(wire.CertificatesConfig{
		Pairs: []wire.KeyPair{{CertFile: a.cfg.TLSCert, KeyFile: a.cfg.TLSKey}}, Logger: a.log,
	})
	if err != nil {
		return t, fmt.Errorf("tls-cert, tls-key: %w", err)
	}
	return t, nil
}

// serve answers requests on l until the server is closed.
func (t transport) serve(s *wire.Server, l net.Listener) error {
	if t.certs == nil {
		return s.Serve(l)
	}
	return s.ServeTLS(l, &tls.Config{GetCertificate: t.certs.GetCertificate})
}

// scheme is that of the application's URL.
func (t transport) scheme() string {
	if t.certs == nil {
		return "http"
	}
	return "https"
}

// reloadCertificates reads the certificate files at once. Where they cannot be used, those
// in use stay.
func (a *App) reloadCertificates() {
	if err := a.transport.certs.Reload(); err != nil {
		a.log.Error("new certificates could not be used; the old ones stay", "error", err)
	}
}

// proxyConfig is Proxies with the addresses of TrustedProxies. Without a proxy that is
// trusted there is nothing to believe.
func (c *Config) proxyConfig() (wire.ProxyConfig, error) {
	p := c.Proxies
	list := strings.FieldsFunc(c.TrustedProxies, func(r rune) bool { return r == ',' || r == ' ' })
	more, err := wire.ParsePrefixes(list...)
	if err != nil {
		return p, fmt.Errorf("trusted-proxies: %s; want networks such as 10.0.0.0/8, addresses, loopback or private, separated by commas", strings.TrimPrefix(err.Error(), "wire: "))
	}
	p.Trusted = append(p.Trusted[:len(p.Trusted):len(p.Trusted)], more...)
	if len(p.Trusted) == 0 && !p.Unix {
		return wire.ProxyConfig{}, nil
	}
	return p, nil
}

// checkTransport returns what is wrong with the settings of TLS and proxies.
func (c *Config) checkTransport() error {
	_, err := c.proxyConfig()
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.Join(err, errors.New("tls-cert, tls-key: one needs the other"))
	}
	for _, f := range []struct{ name, file string }{{"tls-cert", c.TLSCert}, {"tls-key", c.TLSKey}} {
		if f.file == "" {
			continue
		}
		if _, e := os.Stat(f.file); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", f.name, e))
		}
	}
	return err
}
