package ws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/lithair/lithair-go/wire"
)

// DialConfig says how a client connects. The zero value works.
type DialConfig struct {
	// HTTP sends the opening handshake: it knows of TLS, proxies, Unix sockets, cookies and
	// timeouts. Redirects are not followed. Default: one that is shared by all.
	HTTP *wire.Client

	Header       [][2]string // further fields of the request: Origin, Authorization
	Subprotocols []string    // what is offered, the best first
	Compression  Compression
	Limits       Limits
	Logger       *slog.Logger // default slog.Default()
}

var sharedHTTP = sync.OnceValues(func() (*wire.Client, error) {
	return wire.NewClient(wire.ClientConfig{MaxRedirects: -1})
})

// Dial connects to a ws or wss URL (RFC 6455 §4.1). ctx bounds the handshake alone.
//
// Errors: a *[HandshakeError] where the server answered something else; what package wire
// says where it could not be reached.
func Dial(ctx context.Context, url string, cfg DialConfig) (*Conn, error) {
	if err := errors.Join(cfg.Limits.defaults(), cfg.Compression.defaults()); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	q, err := cfg.request(url, key)
	if err != nil {
		return nil, err
	}
	client := cfg.HTTP
	if client == nil {
		if client, err = sharedHTTP(); err != nil {
			return nil, err
		}
	}
	resp, err := client.Do(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("ws: Dial: %w", err)
	}
	if resp.StatusCode() != 101 {
		return nil, refused(resp)
	}
	protocol, extensions, detail := checkReply(resp.Headers(), key, cfg.Subprotocols)
	var p packing
	if detail == "" {
		p, detail = accepted(extensions, !cfg.Compression.Off, cfg.Compression.Takeover)
	}
	nc, buffered, err := resp.Hijack()
	if err != nil {
		return nil, fmt.Errorf("ws: Dial: %w", err)
	}
	if detail != "" {
		return nil, errors.Join(&HandshakeError{Status: 101, Detail: detail}, nc.Close())
	}
	set := &settings{Limits: cfg.Limits, minPacked: cfg.Compression.MinBytes, protocols: cfg.Subprotocols, log: cfg.Logger, clock: theClock, client: true}
	c := newConn(nc, set, p, buffered)
	c.protocol = set.protocolNumber(protocol)
	return c, nil
}

// request is the opening handshake's request.
func (cfg *DialConfig) request(url, key string) (*wire.ClientRequest, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	switch strings.ToLower(scheme) {
	case "ws":
		url = "http://" + rest
	case "wss":
		url = "https://" + rest
	default:
		return nil, fmt.Errorf("ws: Dial: %.40q is no ws or wss URL", url)
	}
	q := &wire.ClientRequest{URL: url, Header: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Key", key}, {"Sec-WebSocket-Version", ourVersion},
	}}
	if len(cfg.Subprotocols) > 0 {
		if err := checkProtocols("DialConfig", cfg.Subprotocols); err != nil {
			return nil, err
		}
		q.AddHeader("Sec-WebSocket-Protocol", strings.Join(cfg.Subprotocols, ", "))
	}
	if !cfg.Compression.Off {
		q.AddHeader("Sec-WebSocket-Extensions", offerOf(cfg.Compression.Takeover))
	}
	q.Header = append(q.Header, cfg.Header...)
	return q, nil
}

const maxRefusal = 4 << 10

func refused(resp *wire.ClientResponse) error {
	defer resp.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body(), maxRefusal))
	e := &HandshakeError{Status: resp.StatusCode(), Detail: "the server does not upgrade", Body: b}
	return errors.Join(e, err)
}
