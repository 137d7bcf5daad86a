package ws

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Config says how a [Server] works. The zero value is safe and works; zero values take the
// defaults.
type Config struct {
	// Origins are the origins whose pages may connect beside the server's own, as
	// wire.NewOrigins takes them: "https://app.example.org", "https://*.example.org",
	// "http://localhost:*", or "*" for all. Requests without an Origin do not come from
	// pages and are let in.
	Origins []string
	// Subprotocols are what the server speaks, the best first. The first that the client
	// offers is chosen; none where it offers none of them.
	Subprotocols []string

	Compression Compression
	Limits      Limits

	MaxConns int          // connections at a time; more get 503. Default 100,000
	Logger   *slog.Logger // for panics of handlers; default slog.Default()
}

// Compression says how messages are compressed (permessage-deflate, RFC 7692). It is used
// where the other side agrees to it.
type Compression struct {
	Off bool // default: on

	// Takeover lets each side refer to earlier messages of the connection. It makes
	// messages of a kind far smaller, at up to 32 KiB of memory per direction and
	// connection ([Server.WindowBytes] counts them). It also lets who can see the sizes of
	// messages guess secrets that stand beside text of his own (CRIME), more so than within
	// one message. Default: off.
	Takeover bool

	MinBytes int // of a message that is worth compressing; default 128
}

// Limits of a connection. Zero values take the defaults.
type Limits struct {
	MaxMessageBytes int // of a message received, all fragments together, inflated; default 1 MiB. Closed with 1009
	MaxQueuedBytes  int // sent by Send and not taken by the other side yet; default 1 MiB. ErrQueueFull

	IdleTimeout  time.Duration // without any sign of life; after half of it a ping is sent. Default 1 min; ErrTimeout
	WriteTimeout time.Duration // for the other side to take anything of what is sent; default 30 s; ErrTimeout
	CloseTimeout time.Duration // for the other side to answer a close frame, or to close the connection; default 5 s
}

func (l *Limits) defaults() error {
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{{"MaxMessageBytes", &l.MaxMessageBytes, 1 << 20}, {"MaxQueuedBytes", &l.MaxQueuedBytes, 1 << 20}} {
		if *f.v < 0 {
			return fmt.Errorf("ws: Limits.%s is negative", f.name)
		}
		*f.v = cmp.Or(*f.v, f.def)
	}
	for _, f := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{{"IdleTimeout", &l.IdleTimeout, time.Minute}, {"WriteTimeout", &l.WriteTimeout, 30 * time.Second}, {"CloseTimeout", &l.CloseTimeout, 5 * time.Second}} {
		if *f.v < 0 {
			return fmt.Errorf("ws: Limits.%s is negative", f.name)
		}
		*f.v = cmp.Or(*f.v, f.def)
	}
	return nil
}

func (c *Compression) defaults() error {
	if c.MinBytes < 0 {
		return fmt.Errorf("ws: Compression.MinBytes is negative")
	}
	c.MinBytes = cmp.Or(c.MinBytes, 128)
	return nil
}

// settings are what the connections of a server, or one of a client, have in common.
type settings struct {
	Limits
	minPacked int
	protocols []string // what was offered, or is spoken
	log       *slog.Logger
	clock     *clock
	client    bool
	server    *Server // nil: a client's
}

// maxProtocols bounds the subprotocols of one side: a connection keeps the number of its own.
const maxProtocols = 255

func checkProtocols(where string, protocols []string) error {
	if len(protocols) > maxProtocols {
		return fmt.Errorf("ws: %s.Subprotocols: %d, which is more than %d", where, len(protocols), maxProtocols)
	}
	for _, p := range protocols {
		if !token(p) {
			return fmt.Errorf("ws: %s.Subprotocols: %q is no token", where, p)
		}
	}
	return nil
}

// protocolNumber is what a connection keeps of its subprotocol, which is one of protocols.
func (s *settings) protocolNumber(protocol string) uint8 {
	return uint8(slices.Index(s.protocols, protocol) + 1)
}
