package wire

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"
)

// over is what the Request and Response of a connection without a working set show: an
// empty request on a closed connection. It is shared, so nothing may write to it.
var over = newOver()

func newOver() *conn {
	l := &link{srv: &Server{ctx: context.Background(), draining: context.Background(), log: slog.New(slog.DiscardHandler)}, nc: closedConn{}, index: -1}
	c := &conn{link: l, hijacked: true}
	c.outside()
	c.req.c, c.req.head.minor = c, 1
	c.req.body.c, c.req.body.err = c, ErrReturned
	c.res = heldResponse{c: c, status: 200, started: true, err: ErrReturned}
	return c
}

// over says that the request has no working set any more.
func (r *Request) over() bool { return r.heldRequest == &over.req }

// closedConn is a connection that is closed.
type closedConn struct{}

// closedAddr is the address of its ends.
type closedAddr struct{}

func (closedAddr) Network() string { return "closed" }
func (closedAddr) String() string  { return "closed" }

func (closedConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (closedConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (closedConn) Close() error                     { return net.ErrClosed }
func (closedConn) LocalAddr() net.Addr              { return closedAddr{} }
func (closedConn) RemoteAddr() net.Addr             { return closedAddr{} }
func (closedConn) SetDeadline(time.Time) error      { return net.ErrClosed }
func (closedConn) SetReadDeadline(time.Time) error  { return net.ErrClosed }
func (closedConn) SetWriteDeadline(time.Time) error { return net.ErrClosed }
