package nethttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Mount returns a net/http handler that runs a wire handler, with the limits of the zero
// [wire.Config]. It is safe for concurrent use where h is.
func Mount(h wire.Handler) http.Handler {
	m, err := MountConfig(wire.Config{Handler: h})
	if err != nil {
		panic(err) // h is nil
	}
	return m
}

// MountConfig is Mount with limits, a logger and an error body of its own.
func MountConfig(cfg wire.Config) (http.Handler, error) {
	if cfg.Handler == nil {
		return nil, errors.New("nethttp: Config.Handler is nil")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	inner := cfg.Handler
	cfg.Handler = func(w *wire.Response, r *wire.Request) error {
		if m, ok := r.Context().Value(mountedKey{}).(*mounted); ok {
			m.carryPathValues(r)
		}
		return inner(w, r)
	}
	s, err := wire.NewServer(cfg)
	if err != nil {
		return nil, err
	}
	return &mount{s}, nil
}

type mount struct{ server *wire.Server }

// ServeHTTP implements http.Handler.
func (m *mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !validName(r.Method) || !visible(targetOf(r)) || !visible(r.Host) {
		http.Error(w, "The method, URL or host is not valid.", http.StatusBadRequest) // rendered, it could be read as fields
		return
	}
	http.NewResponseController(w).EnableFullDuplex() // where it cannot be had, net/http reads the body first
	inner, outer := net.Pipe()
	x := &mounted{Conn: inner, r: r, w: w, outer: outer, gone: make(chan struct{})}
	x.ctx = context.WithValue(r.Context(), mountedKey{}, x)
	stop := context.AfterFunc(r.Context(), func() { outer.Close() }) // the wire handler sees the client leave
	defer stop()
	if r.TLS != nil {
		m.server.ServeConn(secure{x})
	} else {
		m.server.ServeConn(x)
	}
	sent := make(chan struct{})
	go x.sendRequest(sent)
	err := x.relay()
	outer.Close()
	<-x.gone // the wire handler has returned
	x.settle(sent)
	if err != nil {
		panic(http.ErrAbortHandler) // what was sent so far is all there is, and must look like it
	}
}

// settle waits until nobody reads the request's body any more. Who waits for a client
// that sends slowly is interrupted; the client's connection is closed with that.
func (x *mounted) settle(sent <-chan struct{}) {
	grace := time.NewTimer(100 * time.Millisecond)
	defer grace.Stop()
	select {
	case <-sent:
	case <-grace.C:
		http.NewResponseController(x.w).SetReadDeadline(time.Unix(1, 0)) // a body that cannot be interrupted ends by itself
		<-sent
	}
}

// mounted is one request of net/http's as a connection of wire's.
type mounted struct {
	net.Conn // the server's end of a pipe
	r        *http.Request
	w        http.ResponseWriter
	ctx      context.Context
	outer    net.Conn      // the other end
	gone     chan struct{} // closed with the connection
}

type mountedKey struct{}

// Context is the context that the wire request begins with.
func (x *mounted) Context() context.Context { return x.ctx }

// Close implements net.Conn.
func (x *mounted) Close() error {
	err := x.Conn.Close()
	select {
	case <-x.gone:
	default:
		close(x.gone)
	}
	return err
}

// RemoteAddr returns the client's address.
func (x *mounted) RemoteAddr() net.Addr {
	if a, err := netip.ParseAddrPort(x.r.RemoteAddr); err == nil {
		return net.TCPAddrFromAddrPort(a)
	}
	return x.Conn.RemoteAddr()
}

// LocalAddr returns the address that the client connected to.
func (x *mounted) LocalAddr() net.Addr {
	if a, ok := x.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a
	}
	return x.Conn.LocalAddr()
}

// secure is a mounted whose request came over TLS.
type secure struct{ *mounted }

// ConnectionState is the client's.
func (x secure) ConnectionState() tls.ConnectionState { return *x.r.TLS }

// carryPathValues hands the wildcards of a net/http pattern on.
func (x *mounted) carryPathValues(r *wire.Request) {
	for rest := x.r.Pattern; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return
		}
		name, after, _ := strings.Cut(after, "}")
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			r.SetPathValue(name, x.r.PathValue(name))
		}
		rest = after
	}
}

// sendRequest renders the request into the pipe.
func (x *mounted) sendRequest(sent chan struct{}) {
	defer close(sent)
	head, chunked := x.head()
	if _, err := x.outer.Write(head); err != nil {
		x.discard()
		return
	}
	buf := make([]byte, 16<<10)
	for left := x.r.ContentLength; left != 0; {
		n, err := x.r.Body.Read(buf)
		left -= int64(n)
		if n > 0 && x.sendBody(buf[:n], chunked) != nil {
			x.discard()
			return
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			x.outer.Close() // wire sees a body that is cut
			return
		}
	}
	if chunked {
		x.outer.Write(x.lastChunk()) // an error: nobody reads it any more
	}
}

// discard reads what wire has answered without reading, as far as net/http itself would:
// in full duplex it may trip over a body that was left.
func (x *mounted) discard() {
	io.CopyN(io.Discard, x.r.Body, 256<<10) // an error ends it as well
}

func (x *mounted) sendBody(p []byte, chunked bool) error {
	if !chunked {
		_, err := x.outer.Write(p)
		return err
	}
	_, err := x.outer.Write(append(append(fmt.Appendf(nil, "%x\r\n", len(p)), p...), "\r\n"...))
	return err
}

func (x *mounted) lastChunk() []byte {
	b := []byte("0\r\n")
	for name, values := range x.r.Trailer {
		if !validName(name) {
			continue
		}
		for _, v := range values {
			b = fmt.Appendf(b, "%s: %s\r\n", name, cleanValue(v))
		}
	}
	return append(b, "\r\n"...)
}

// head renders request line and header section. The URL is what middleware made of it.
func (x *mounted) head() (b []byte, chunked bool) {
	r := x.r
	b = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, targetOf(r), r.Host)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Expect", "Trailer":
			continue // net/http has seen to them
		case "Connection":
			if r.Header.Get("Upgrade") == "" {
				continue
			}
		}
		for _, v := range values {
			if validName(name) {
				b = fmt.Appendf(b, "%s: %s\r\n", name, cleanValue(v))
			}
		}
	}
	if r.Header.Get("Upgrade") == "" {
		b = append(b, "Connection: close\r\n"...)
	}
	if chunked = r.ContentLength < 0; chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	} else if r.ContentLength > 0 {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", r.ContentLength)
	}
	return append(b, "\r\n"...), chunked
}

// targetOf is the request target of what middleware made of the URL.
func targetOf(r *http.Request) string {
	if r.Method == "CONNECT" && r.URL.Host != "" && r.URL.Path == "" {
		return r.URL.Host
	}
	return r.URL.RequestURI()
}

// visible says that s holds no control bytes and no spaces.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7F {
			return false
		}
	}
	return true
}

// relay hands the response on.
func (x *mounted) relay() error {
	br := bufio.NewReader(x.outer)
	for {
		resp, err := http.ReadResponse(br, x.r)
		if err != nil {
			return err
		}
		switch {
		case resp.StatusCode == 101:
			return x.tunnel(br, resp)
		case resp.StatusCode < 200:
			x.interim(resp)
		default:
			return x.respond(resp)
		}
	}
}

func (x *mounted) interim(resp *http.Response) {
	h := x.w.Header()
	was := h.Clone()
	for name, values := range resp.Header {
		h[name] = values
	}
	x.w.WriteHeader(resp.StatusCode)
	clear(h)
	for name, values := range was {
		h[name] = values
	}
}

func (x *mounted) respond(resp *http.Response) error {
	h := x.w.Header()
	for name, values := range resp.Header {
		if name != "Connection" {
			h[name] = values
		}
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // wire guesses none, so neither does net/http
	}
	x.w.WriteHeader(resp.StatusCode)
	if err := x.stream(resp); err != nil {
		return err
	}
	for name, values := range resp.Trailer {
		h[http.TrailerPrefix+name] = values
	}
	return nil
}

// stream copies the body, and flushes where wire did: what is chunked comes in pieces
// that a handler wanted out.
func (x *mounted) stream(resp *http.Response) error {
	rc := http.NewResponseController(x.w)
	flush := resp.ContentLength < 0
	if flush {
		rc.Flush() // not every writer can
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := x.w.Write(buf[:n]); werr != nil {
				return werr
			}
			if flush {
				rc.Flush()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tunnel joins the two connections of an upgrade.
func (x *mounted) tunnel(br *bufio.Reader, resp *http.Response) error {
	nc, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return err
	}
	defer nc.Close()
	head := fmt.Appendf(nil, "HTTP/1.1 101 %s\r\n", wire.StatusText(101))
	for name, values := range resp.Header {
		for _, v := range values {
			head = fmt.Appendf(head, "%s: %s\r\n", name, v)
		}
	}
	if _, err := nc.Write(append(head, "\r\n"...)); err != nil {
		return nil // the client has gone, as it may
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(x.outer, rw) // either end may close it
		x.outer.Close()
	}()
	io.Copy(nc, br)
	nc.Close()
	<-done
	return nil
}
