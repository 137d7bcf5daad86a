package ws

import (
	"errors"
	"fmt"
)

// Errors of a connection.
var (
	// ErrClosed: the connection has ended or is being closed by this side, so nothing more
	// can be sent. A Read then returns how it ended: a *CloseError, a *ProtocolError or
	// what the network said.
	ErrClosed = errors.New("ws: the connection is closed")
	// ErrQueueFull: Send would take the queue over Limits.MaxQueuedBytes. Nothing was queued.
	ErrQueueFull = errors.New("ws: the connection's queue is full")
	// ErrTimeout: nothing was heard for Limits.IdleTimeout, not even an answer to a ping;
	// or the other side did not take what was sent within Limits.WriteTimeout, or did not
	// answer a close frame within Limits.CloseTimeout.
	ErrTimeout = errors.New("ws: the other side is silent")
	// ErrNotUTF8: a text message to be sent is not UTF-8. Nothing was sent.
	ErrNotUTF8 = errors.New("ws: a text message must be UTF-8")
	// ErrServerClosed: the server was shut down.
	ErrServerClosed = errors.New("ws: the server is closed")
)

// CloseError is how a connection ends that the other side closed.
type CloseError struct {
	Code   CloseCode // CloseNoStatus where it named none
	Reason string
}

// Error names the code and the reason.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "ws: closed by the other side: " + e.Code.String()
	}
	return fmt.Sprintf("ws: closed by the other side: %v: %q", e.Code, e.Reason)
}

// ProtocolError is a breach of the protocol, or of a limit, by the other side. The
// connection is closed with Code.
type ProtocolError struct {
	Code   CloseCode // 1002, 1007 or 1009
	Detail string    // for people; sent as the close reason
}

// Error names the breach.
func (e *ProtocolError) Error() string { return "ws: refused: " + e.Detail }

func violation(detail string) *ProtocolError { return &ProtocolError{CloseProtocolError, detail} }

// HandshakeError is an opening handshake that did not succeed, as a client sees it.
type HandshakeError struct {
	Status int    // of the response
	Detail string // what is wrong with it
	Body   []byte // its content, at most 4 KiB
}

// Error names what is wrong.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("ws: the handshake failed with status %d: %s", e.Status, e.Detail)
}
