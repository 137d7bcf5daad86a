package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// forwards says that a connection leads to a proxy that forwards plain requests.
func (k poolKey) forwards() bool { return k.proxy != "" && k.host == "" }

// key names the connections that can carry a request.
func (c *Client) key(u *clientURL) poolKey {
	proxy := c.cfg.Proxy
	if c.cfg.ProxyFor != nil {
		proxy = c.cfg.ProxyFor(u.scheme(), u.host)
	}
	if proxy != "" && !u.secure {
		return poolKey{proxy: proxy}
	}
	return poolKey{secure: u.secure, host: u.host, port: u.port, proxy: proxy}
}

// forwardAuth is the Proxy-Authorization of requests that a proxy forwards.
func (c *Client) forwardAuth(k poolKey) string {
	if !k.forwards() {
		return ""
	}
	u, err := parseClientURL(k.proxy)
	if err != nil {
		return "" // cannot be: it was dialled
	}
	return u.basic
}

// connect returns an idle connection or makes a new one.
func (c *Client) connect(ctx context.Context, o *outgoing, fresh bool) (*clientConn, error) {
	if err := ended(ctx); err != nil {
		return nil, o.fail(StagePool, err)
	}
	key := c.key(&o.url)
	cc, err := c.pool.take(ctx, key, fresh || c.cfg.DisableKeepAlive)
	if err != nil {
		if cause := ended(ctx); cause != nil {
			err = cause
		}
		return nil, o.fail(StagePool, err)
	}
	if cc != nil {
		return cc, nil
	}
	d := dialing{c: c, ctx: ctx, key: key, url: &o.url}
	if cc, err = d.dial(); err != nil {
		c.pool.free(key)
		if cause := ended(ctx); cause != nil {
			err = cause
		}
		e := o.fail(d.stage, err)
		e.Addr = d.addr
		return nil, e
	}
	return cc, nil
}

// dialing makes one connection, stage by stage.
type dialing struct {
	c     *Client
	ctx   context.Context
	key   poolKey
	url   *clientURL
	stage Stage
	addr  string
}

func (d *dialing) dial() (*clientConn, error) {
	first, err := d.firstHop()
	if err != nil {
		return nil, err
	}
	raw, err := d.socket(first)
	if err != nil {
		return nil, err
	}
	cc := &clientConn{key: d.key, raw: raw, nc: raw, probe: newProbe(raw), addr: d.addr}
	if err := d.layers(cc, first); err != nil {
		cc.closeQuietly()
		return nil, err
	}
	return cc, nil
}

// firstHop is the URL of the proxy, or else of the server.
func (d *dialing) firstHop() (*clientURL, error) {
	if d.key.proxy == "" {
		return d.url, nil
	}
	d.stage = StageProxy
	u, err := parseClientURL(d.key.proxy)
	if err != nil {
		return nil, fmt.Errorf("the proxy's URL: %w", err)
	}
	return &u, nil
}

func (d *dialing) socket(first *clientURL) (net.Conn, error) {
	cfg := &d.c.cfg
	d.stage, d.addr = StageDial, first.addr()
	network := "tcp"
	if cfg.Socket != "" {
		network, d.addr = "unix", cfg.Socket
	}
	ctx, cancel := context.WithTimeoutCause(d.ctx, cfg.DialTimeout, errDialTimeout)
	defer cancel()
	nc, err := cfg.Dial(ctx, network, d.addr)
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	return nc, nil
}

// layers puts TLS, and the tunnel of a proxy, on a socket.
func (d *dialing) layers(cc *clientConn, first *clientURL) error {
	if first.secure {
		if err := d.handshake(cc, first.host); err != nil {
			return err
		}
	}
	if first == d.url || d.key.forwards() {
		return nil
	}
	if err := d.tunnel(cc, first); err != nil {
		return err
	}
	return d.handshake(cc, d.url.host)
}

func (d *dialing) handshake(cc *clientConn, host string) error {
	d.stage = StageTLS
	cfg := d.c.cfg.TLS
	if cfg.ServerName == "" || host != d.url.host {
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	ctx, cancel := context.WithTimeoutCause(d.ctx, d.c.cfg.TLSTimeout, errDialTimeout)
	defer cancel()
	tc := tls.Client(cc.nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		return timedOut(ctx, err)
	}
	state := tc.ConnectionState()
	cc.nc, cc.tls = tc, &state
	return nil
}

// tunnel asks a proxy for a connection to the server (RFC 9110 §9.3.6).
func (d *dialing) tunnel(cc *clientConn, proxy *clientURL) error {
	d.stage = StageProxy
	ctx, cancel := context.WithTimeoutCause(d.ctx, d.c.cfg.HeadTimeout, errDialTimeout)
	defer cancel()
	x := newExchange(ctx, d.c, cc, &outgoing{method: "CONNECT"})
	defer x.release()
	err := x.connect(d.url.addr(), proxy.basic)
	if !x.stop() && err == nil {
		err = ended(ctx)
	}
	if err != nil {
		return timedOut(ctx, err)
	}
	return cc.nc.SetDeadline(time.Time{})
}

// connect sends CONNECT and reads the answer.
func (x *clientExchange) connect(addr, auth string) error {
	x.out = append(x.out[:0], "CONNECT "+addr+" HTTP/1.1\r\nHost: "+addr+"\r\n"...)
	if auth != "" {
		x.out = appendField(x.out, "Proxy-Authorization", auth)
	}
	if _, err := x.cc.nc.Write(append(x.out, "\r\n"...)); err != nil {
		return err
	}
	ev := interimHead
	for ev == interimHead {
		var err error
		if ev, err = x.event(&outgoing{}); err != nil {
			return err
		}
	}
	if status := x.parser.head.status; status/100 != 2 {
		return &ProxyError{Status: status}
	}
	if x.from < x.to {
		return malformed("bytes behind the proxy's answer to CONNECT")
	}
	return nil
}

// ProxyError is a proxy's refusal to open a tunnel.
type ProxyError struct{ Status int }

// Error names the status.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy refused CONNECT: %d %s", e.Status, StatusText(e.Status))
}

// errDialTimeout marks a stage's own timeout, apart from the caller's context.
var errDialTimeout = fmt.Errorf("the stage's timeout: %w", os.ErrDeadlineExceeded)

// timedOut makes the end of a stage's context the timeout that it is.
func timedOut(ctx context.Context, err error) error {
	var ne net.Error
	if context.Cause(ctx) == errDialTimeout || errors.As(err, &ne) && ne.Timeout() {
		return errDialTimeout
	}
	return err
}
