package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// ServeTLS is [Server.Serve] with TLS on connections of l. cfg needs certificates:
// Certificates, GetCertificate (see [Certificates] for ones that are replaced while the
// server runs) or GetConfigForClient. A MinVersion of 0 becomes TLS 1.2. In ALPN (RFC
// 7301) the server offers http/1.1 and the protocols of cfg except h2, which is not
// spoken here; connections that agree on another one than HTTP are closed after the
// handshake, which is what a certificate authority's tls-alpn-01 challenge wants.
//
// The handshake has until Config.HandshakeTimeout and runs in the connection's goroutine:
// slow ones hold nobody up. A client that speaks plain HTTP gets a 400 that says so.
func (s *Server) ServeTLS(l net.Listener, cfg *tls.Config) error {
	cfg, err := tlsConfig(cfg)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return s.Serve(tls.NewListener(l, cfg))
}

// ListenAndServeTLS listens on a network ("tcp", "unix") and address, and serves TLS.
func (s *Server) ListenAndServeTLS(network, addr string, cfg *tls.Config) error {
	if _, err := tlsConfig(cfg); err != nil {
		return err
	}
	l, err := listen(network, addr)
	if err != nil {
		return err
	}
	return s.ServeTLS(l, cfg)
}

const protoHTTP = "http/1.1" // its name in ALPN

func tlsConfig(cfg *tls.Config) (*tls.Config, error) {
	if cfg == nil || len(cfg.Certificates) == 0 && cfg.GetCertificate == nil && cfg.GetConfigForClient == nil {
		return nil, errors.New("wire: the TLS configuration has no certificate")
	}
	cfg = cfg.Clone()
	protos := slices.DeleteFunc(slices.Clone(cfg.NextProtos), func(p string) bool { return p == "h2" })
	if !slices.Contains(protos, protoHTTP) {
		protos = append(protos, protoHTTP)
	}
	cfg.NextProtos = protos
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	return cfg, nil
}

// handshake completes the TLS handshake of a new connection. An error means that the
// connection is of no use.
func (s *Server) handshake(tc *tls.Conn) error {
	if err := tc.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return err
	}
	err := tc.Handshake()
	var re tls.RecordHeaderError
	if errors.As(err, &re) && re.Conn != nil && looksLikeHTTP(re.RecordHeader) {
		s.log.Debug("plain HTTP on a TLS port", "client", tc.RemoteAddr())
		return errors.Join(err, sayPlain(re.Conn, s.cfg.LingerTimeout))
	}
	if err != nil {
		s.log.Debug("a TLS handshake failed", "client", tc.RemoteAddr(), "error", err)
		return err
	}
	if p := tc.ConnectionState().NegotiatedProtocol; p != "" && p != protoHTTP {
		return fmt.Errorf("wire: the client wants to speak %q", p)
	}
	return tc.SetDeadline(time.Time{})
}

// looksLikeHTTP says whether a connection began with a method in capital letters where a
// TLS record should be, whose first byte is 22.
func looksLikeHTTP(b [5]byte) bool {
	for i, c := range b {
		if c-'A' >= 26 {
			return i >= 3 && (c == ' ' || c == '/')
		}
	}
	return true
}

// sayPlain answers plain HTTP and gives the answer time to arrive.
func sayPlain(nc net.Conn, linger time.Duration) error {
	const body = "This port speaks HTTPS; the request came as plain HTTP.\n"
	_, err := fmt.Fprintf(nc, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	if cw, ok := nc.(interface{ CloseWrite() error }); ok && err == nil {
		err = cw.CloseWrite()
	}
	if err != nil {
		return err
	}
	if err := nc.SetReadDeadline(time.Now().Add(linger)); err != nil {
		return err
	}
	b := make([]byte, 4<<10)
	for total := 0; total < 64<<10; {
		n, err := nc.Read(b)
		if err != nil {
			return nil // the end, or long enough
		}
		total += n
	}
	return nil
}
