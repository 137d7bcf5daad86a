// Package wire is HTTP/1.1 (RFC 9110, 9112) on package net: server, router and client.
//
//	r := wire.NewRouter()
//	err := r.Handle("GET /hello/{name}", func(w *wire.Response, r *wire.Request) error {
//		_, err := w.WriteString("Hello, " + r.PathValue("name") + "!\n")
//		return err
//	})
//	s, err := wire.NewServer(wire.Config{Handler: r.Handler()})
//	err = s.ListenAndServe("tcp", "127.0.0.1:8080")
//
// # Layers
//
// The protocol is pure: head.go, framing.go and chunked.go turn bytes into a request
// head and body bytes and know no socket. "Need more" and "malformed" are different
// results, and neither depends on how the bytes were cut on their way. conn.go handles
// what has been received and gathers responses; attend (ready_linux.go) and wait
// (conn.go) are the two ways to wait for more; keeper.go keeps the time for all
// connections of a server; park_linux.go waits for those that have nothing to do.
//
// # The life of a connection
//
// A connection has a goroutine while requests come. All requests that were received
// together are handled one after the other, and their responses leave in one write, at
// most Config.MaxPipelined of them. On Linux, TCP and Unix sockets are read inside
// RawConn.Read, where a read that finds the socket empty can be spared.
//
// A connection on which nothing comes for some milliseconds rests: buffers, request,
// response and goroutine go. TCP and Unix sockets on Linux are then waited for together,
// on one epoll instance per server; other connections by a goroutine with a small stack
// and no buffer, the first time as soon as a request is answered. Busy connections never
// rest: who is woken early is given more patience. A Request that a handler keeps shows
// nothing while its connection rests, and never another connection's requests. What was taken over with [Request.Hijack] may rest, too: [Conn.Park].
//
// # Strictness
//
// Where laxness is a hole, wire is strict. Refused with 400, and the connection closed
// with nothing behind it read: Content-Length together with Transfer-Encoding, several
// Content-Lengths (equal ones, too), one that is not plain digits, a transfer coding but
// chunked (501), a transfer coding in HTTP/1.0, line ends but CRLF, white space before a
// colon, folded lines, control bytes in values, more or less than one Host, a Host that
// is no host, bytes outside visible ASCII in the target, a fragment in it, chunk sizes
// of more than 15 digits, malformed chunk extensions, trailers that may only be headers.
// Of an expectation but 100-continue the status is 417, of another major version 505.
//
// Where net/http is laxer it accepts: LF as a line's end, equal Content-Lengths sent
// twice, chunked beside Content-Length on a connection that stays open, chunk extensions
// of any form, a Transfer-Encoding in HTTP/1.0 (read as absent). Where it is
// stricter or different, on purpose: it parses the target as a URL (here the router
// refuses broken escapes and the handler sees the target as sent, RFC 9112 §3.2), refuses
// empty lines in front of a request (two are skipped here, §2.2) and white space in chunk
// extensions (taken here, §7.1.1), refuses the announcement of a forbidden trailer (here
// the trailer), finds the word close inside malformed Connection options, and heeds only
// the first Connection field of a 1.0 request (here all, RFC 9110 §5.3). A test holds a
// million mutated requests against it, and nothing else may differ.
//
// # Limits
//
//	Config.MaxHeaderBytes       64 KiB    414 the request line, 431 the rest
//	Config.MaxHeaderFields      200       431
//	Config.MaxBodyBytes         16 MiB    413
//	Config.MaxTrailerBytes      8 KiB     431
//	Config.MaxDrainBytes        256 KiB   closed: the rest of an unread body is not waited for
//	Config.MaxConns             100,000   503; 256 at a time are told so, the rest are closed
//	Config.MaxPipelined         64        sent before more are handled
//	Config.ReadHeaderTimeout    10 s      408; from the head's first byte
//	Config.ReadBodyTimeout      30 s      408; besides what MinBodyRate allows
//	Config.MinBodyRate          1 KiB/s   408
//	Config.WriteTimeout         30 s      closed; comes up to a quarter late
//	Config.IdleTimeout          2 min     closed; comes up to a third of a second late
//	Config.LingerTimeout        1 s       closed, though the client still sends
//	empty lines in front        2         400
//	chunk size and extensions   1 KiB     400
//	chunk framing, see below    16 KiB    400
//	wildcards of a pattern      8         an error of Handle
//
// Of chunk framing, 16 bytes per chunk and two per byte of data are free: only what
// extensions add beyond counts.
//
// A client that goes away while a handler works is noticed when asked for:
// [Request.WatchClient]. Without, the next write fails.
//
// The [Client] refuses in responses what the server refuses in requests, and besides: a
// status line without its three digits and two spaces, equal Content-Lengths sent twice,
// a 101 that was not asked for, empty lines in front of the status line. A response that
// ends before its length or last chunk is [io.ErrUnexpectedEOF], never a short success.
//
// # Values
//
// Strings that a [Request] gives to a handler are ordinary strings, valid for ever. The
// one exception says so in its name: [Request.BorrowBody]. The Request and Response
// themselves belong to the handler until it returns; they are used again for the next
// request of the same connection and never for another's.
//
// # Proxies and restarts
//
// Nobody is believed about who the client is until [Config].Proxies says so; then
// [Request.ClientAddr], Scheme and Host tell of the client and not of the proxy. Rate limits
// ([RateLimit]) and address rules ([IPRules]) go by that address.
//
// [Inherit] finds listeners opened by systemd or by a predecessor, [Handover] passes them
// on. The queue of connections stays the same one, a server that shuts down answers what
// it has accepted, and so a restart fails no request.
//
// # Middleware
//
// [Chain] and [When] combine it, [Router.Use] applies it. Shipped: [RequestID], [AccessLog],
// [Recover], [CORS], [CrossOriginProtection], [SecurityHeaders], [RateLimit], [MaxInFlight],
// [IPRules], [BodyLimit], [Timeout], [AllowContentType], [BasicAuth], [Compress].
//
// CHECKLIST.md lists what goes wrong in HTTP/1.1 servers, with the test for each line.
//
// # RFC map
//
//	request line, targets      9112 §3      head.go
//	field lines                9112 §5      head.go, token.go
//	message body length        9112 §6      framing.go
//	chunked coding, trailers   9112 §7      chunked.go
//	persistence, pipelining    9112 §9      conn.go, link.go, keeper.go
//	Upgrade, CONNECT           9110 §7.8    hijack.go
//	Expect, Connection, Date   9110 §6-10   conn.go, response.go, date.go
//	routing, 405, OPTIONS      9110 §9, 15  router.go
//	problem details            9457         errors.go
//	Accept-Encoding, gzip      9110 §8.4,   coding.go, compress.go, decompress.go
//	                           §12.5.3
//	conditional requests       9110 §13     precondition.go, httpdate.go
//	range requests             9110 §14     byterange.go, content.go
//	files                      8615         fileserver.go, filetype.go
//	Content-Disposition        6266, 8187   disposition.go
//	cookies, set and read      6265bis      cookie.go
//	forms, uploads             7578, 2046   form.go, upload.go, multipart.go, parameter.go
//	server-sent events         HTML §9.2    events.go, watch.go
//	lines (NDJSON)                          lines.go
//	TLS, ALPN                  8446, 7301   tls.go, certificates.go
//	proxies, client address    7239         forwarded.go, clientaddr.go
//	origins, CORS              6454, Fetch  origin.go, cors.go, crossorigin.go
//	Basic authentication       7617         basicauth.go
//	rate limit fields          draft        ratelimit.go, limiter.go
//	request ids (UUID 7)       9562 §5.7    requestid.go
//	transport security, CSP    6797         security.go
//	status line, responses     9112 §4-6    responsehead.go, responseparser.go
//	requests, Expect           9112 §3      clientrequest.go, clientexchange.go, sender.go
//	connections, retries       9112 §9      pool.go, client.go
//	redirects                  9110 §15.4   redirect.go
//	CONNECT, proxies           9110 §9.3.6  clientdial.go
//	content coding             9110 §8.4    clientdecode.go
//	cookies                    6265bis      cookiejar.go
//	interim responses          9110 §15.2   adapter.go
//
// # Other libraries
//
// Handlers and middleware of net/http run under wire, and handlers of wire under
// net/http, by way of package wire/nethttp. What other adapters need is in adapter.go.
//
// # Concurrency
//
// A Server and a Router may be used by many goroutines; each request is handled on the
// goroutine of its connection. So may a Client and a CookieJar; a request is sent on the
// caller's goroutine, and an idle connection has none.
package wire
