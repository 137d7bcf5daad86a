package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"
)

// ClientConfig says how a client works. The zero value works; zero values take the
// defaults.
type ClientConfig struct {
	MaxConnsPerHost int // open connections to one host; more requests wait. Default 256
	MaxConns        int // open connections in all; default 1024
	MaxWaiting      int // requests that wait for a connection; default 10,000; ErrPoolFull

	DialTimeout     time.Duration // connecting, to the server or the proxy; default 10 s
	TLSTimeout      time.Duration // one TLS handshake; default 10 s
	WriteTimeout    time.Duration // one write; default 30 s
	HeadTimeout     time.Duration // from the sent request to the response's head; default 60 s
	BodyTimeout     time.Duration // silence while content is awaited; default 60 s
	IdleTimeout     time.Duration // a connection between two requests; default 90 s
	ContinueTimeout time.Duration // wait for 100 Continue; the body is sent then. Default 1 s

	MaxHeaderBytes  int   // status line and header section; default 64 KiB; ErrResponseHeader
	MaxHeaderFields int   // default 200; ErrResponseFields
	MaxTrailerBytes int   // default 8 KiB; ErrResponseTrailer
	MaxInterim      int   // 1xx responses to one request; default 10; ErrInterim
	MaxContentBytes int64 // content of a response, decoded; default 1 GiB; negative: no limit; ErrContentLimit
	MaxInflation    int   // decoded bytes for each one received, beyond the first MiB; default 200; ErrContentLimit

	// MaxRedirects bounds the redirects that are followed; default 10; ErrTooManyRedirects.
	// Negative: none is followed, the 3xx response is what Do returns.
	MaxRedirects int
	// CheckRedirect is asked before each redirect. from is the URL that answered with that
	// status. An error ends the request, but for [ErrUseResponse]: then the 3xx response is
	// what Do returns.
	CheckRedirect func(from, to string, status int) error
	// CredentialFields names further request fields that redirects must not carry to
	// another host, beside Authorization, Cookie, Proxy-Authorization, X-Api-Key and alike.
	CredentialFields []string

	// Jar keeps cookies; nil: none are kept.
	Jar *CookieJar

	// Proxy is the URL of a proxy for all requests, http or https, with user information
	// for basic authentication; "": none, whatever the environment says. ProxyFor chooses
	// one for each host instead, "" for none.
	Proxy    string
	ProxyFor func(scheme, host string) string

	// TLS is used for https; nil: the system's roots. It is not changed.
	TLS *tls.Config
	// Socket is the path of a Unix socket that all connections are made to, whatever host
	// the URL names.
	Socket string
	// Dial makes connections; default: that of a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// DisableKeepAlive closes each connection after its response.
	DisableKeepAlive bool
}

// ErrUseResponse is returned by ClientConfig.CheckRedirect to have the redirect itself.
var ErrUseResponse = errors.New("wire: use the redirect response")

func (c *ClientConfig) defaults() error {
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{
		{"MaxConnsPerHost", &c.MaxConnsPerHost, 256}, {"MaxConns", &c.MaxConns, 1024}, {"MaxWaiting", &c.MaxWaiting, 10_000},
		{"MaxHeaderBytes", &c.MaxHeaderBytes, 64 << 10}, {"MaxHeaderFields", &c.MaxHeaderFields, 200}, {"MaxTrailerBytes", &c.MaxTrailerBytes, 8 << 10},
		{"MaxInterim", &c.MaxInterim, 10}, {"MaxInflation", &c.MaxInflation, 200},
	} {
		if *f.v < 0 {
			return fmt.Errorf("wire: ClientConfig.%s is negative", f.name)
		}
		*f.v = cmp.Or(*f.v, f.def)
	}
	for _, f := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"DialTimeout", &c.DialTimeout, 10 * time.Second}, {"TLSTimeout", &c.TLSTimeout, 10 * time.Second}, {"WriteTimeout", &c.WriteTimeout, 30 * time.Second},
		{"HeadTimeout", &c.HeadTimeout, time.Minute}, {"BodyTimeout", &c.BodyTimeout, time.Minute}, {"IdleTimeout", &c.IdleTimeout, 90 * time.Second},
		{"ContinueTimeout", &c.ContinueTimeout, time.Second},
	} {
		if *f.v < 0 {
			return fmt.Errorf("wire: ClientConfig.%s is negative", f.name)
		}
		*f.v = cmp.Or(*f.v, f.def)
	}
	if c.MaxContentBytes = cmp.Or(c.MaxContentBytes, 1<<30); c.MaxContentBytes < 0 {
		c.MaxContentBytes = math.MaxInt64
	}
	c.MaxRedirects = cmp.Or(c.MaxRedirects, 10)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	} else {
		c.TLS = c.TLS.Clone()
	}
	c.TLS.NextProtos = []string{"http/1.1"}
	if c.TLS.ClientSessionCache == nil {
		c.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	if c.Proxy != "" {
		if _, err := parseClientURL(c.Proxy); err != nil {
			return fmt.Errorf("wire: ClientConfig.Proxy: %w", err)
		}
	}
	return nil
}

// Client sends requests over connections that it keeps. Its methods are safe for
// concurrent use. A request runs on the caller's goroutine; one more runs while a body
// that is not small and at hand is sent. Idle connections have none.
//
// A request is sent again by itself in one case: the connection had been used before and
// failed before any byte of the response, the method is idempotent (GET, HEAD, OPTIONS,
// TRACE, PUT, DELETE) or there is an Idempotency-Key, and the body can be had again. The
// second time a new connection is made; where that cannot be had, the error is that of the
// first, for its request may have arrived. [ClientRequest.NoResend] forbids it.
type Client struct {
	cfg  ClientConfig
	pool pool
}

// NewClient returns a client without any connection yet.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, pool: pool{maxHost: cfg.MaxConnsPerHost, maxAll: cfg.MaxConns, maxWaiting: cfg.MaxWaiting, idleFor: cfg.IdleTimeout, hosts: map[poolKey]*poolHost{}}}, nil
}

// Get sends a GET request.
func (c *Client) Get(ctx context.Context, url string) (*ClientResponse, error) {
	return c.Do(ctx, &ClientRequest{URL: url})
}

// Head sends a HEAD request.
func (c *Client) Head(ctx context.Context, url string) (*ClientResponse, error) {
	return c.Do(ctx, &ClientRequest{Method: "HEAD", URL: url})
}

// Post sends a POST request with a body, which may be nil.
func (c *Client) Post(ctx context.Context, url, contentType string, body io.Reader) (*ClientResponse, error) {
	return c.Do(ctx, &ClientRequest{Method: "POST", URL: url, Header: [][2]string{{"Content-Type", contentType}}, Body: body})
}

// Do sends a request, follows redirects, and returns the final response once its head has
// been received. A status of 400 or more is no error. The context is for the whole
// exchange, up to the end of the response's content; when it ends, the connection is
// closed. The response must be closed when the error is nil.
//
// Errors: *[ClientError].
func (c *Client) Do(ctx context.Context, q *ClientRequest) (*ClientResponse, error) {
	var o outgoing
	if err := newOutgoing(q, &o); err != nil {
		o.body = q.Body
		o.closeBody()
		return nil, o.fail(StageRequest, err)
	}
	for {
		if c.cfg.Jar != nil {
			o.cookie = c.cfg.Jar.header(&o)
		}
		r, err := c.roundTrip(ctx, &o)
		if err != nil {
			o.closeBody()
			return nil, err
		}
		if c.cfg.Jar != nil {
			c.cfg.Jar.store(&o.url, r)
		}
		follow, err := c.redirect(&o, r)
		if !follow && err == nil {
			return r, nil
		}
		r.Close()
		if err == nil {
			err = o.anew()
		}
		if err != nil {
			return nil, o.fail(StageFollow, err)
		}
	}
}

// fail makes the error of a request that has no connection.
func (o *outgoing) fail(stage Stage, err error) *ClientError {
	url := o.url.raw
	if url == "" {
		url = "?" // it may hold a password
	}
	return &ClientError{Stage: stage, Method: o.method, URL: url, Err: err}
}

// roundTrip sends a request once, or twice where that is safe.
func (c *Client) roundTrip(ctx context.Context, o *outgoing) (*ClientResponse, error) {
	var failed *ClientError // of the first time
	for {
		cc, err := c.connect(ctx, o, failed != nil)
		if err != nil && failed != nil {
			failed.Err = fmt.Errorf("%w; the second time: %w", failed.Err, err)
			return nil, failed
		}
		if err != nil {
			return nil, err
		}
		x := newExchange(ctx, c, cc, o)
		stage, err := x.run(o)
		o.closeBody() // a sender has its own
		if err == nil {
			r := newClientResponse(x, o)
			r.attach(x, o)
			return r, nil
		}
		again := cc.reused && !x.received && o.idempotent && !o.q.NoResend && stage != StageRequest && !isTimeout(err)
		failed = x.fail(stage, o.method, o.url.raw, err)
		if !again || ctx.Err() != nil || o.anew() != nil {
			return nil, failed
		}
	}
}

// contentLimit is how much content a response may have.
func (c *Client) contentLimit(q *ClientRequest) int64 {
	switch {
	case q.MaxContentBytes > 0:
		return q.MaxContentBytes
	case q.MaxContentBytes < 0:
		return math.MaxInt64
	}
	return c.cfg.MaxContentBytes
}

// CloseIdle closes the connections that carry no request.
func (c *Client) CloseIdle() { c.pool.closeIdle(false) }

// Close closes the idle connections and refuses further requests with [ErrClientClosed].
// Those under way go on, and their connections are closed behind them.
func (c *Client) Close() error {
	c.pool.closeIdle(true)
	return nil
}

// Conns returns how many connections are open, and how many of them are idle.
func (c *Client) Conns() (open, idle int) { return c.pool.counts() }
