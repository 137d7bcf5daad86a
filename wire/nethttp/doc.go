// Package nethttp joins package wire and net/http: handlers and middleware of either run
// in the other.
//
//	wire.Config{Handler: nethttp.Handler(mux)}           // a net/http handler under wire
//	router.Use(nethttp.Middleware(cors.Handler))         // a net/http middleware under wire
//	mux.Handle("/api/", nethttp.Mount(router.Handler())) // a wire handler under net/http
//
// It is the one package of the module that imports net/http, so programs that do not
// import it do not link net/http.
//
// # Under wire
//
// The ResponseWriter that [Handler] hands out is a full one: http.Flusher (and
// FlushError), http.Hijacker, io.ReaderFrom, io.StringWriter, and all of
// http.ResponseController, deadlines included. Trailers work announced and with
// http.TrailerPrefix, 1xx responses by WriteHeader(103), bodies stream both ways, also
// while another goroutine writes (full duplex is always on). The request's context has
// the values of the wire request's context; it ends when the client leaves and when the
// handler returns, but not when the server begins to shut down. Wildcards of a wire
// route are found by PathValue, its pattern in Pattern.
//
// What differs from net/http's own server:
//
//   - limits and deadlines are those of the wire.Config: a body beyond MaxBodyBytes is an
//     error of Read with 413 behind it;
//   - up to 64 KiB are held back before chunked coding begins (net/http: 2 KiB), so more
//     responses have a Content-Length;
//   - a body shorter than the Content-Length that the handler set becomes a 500 where
//     nothing was sent yet, and a cut connection otherwise;
//   - a panic becomes a 500 where nothing was sent yet; http.ErrAbortHandler cuts the
//     connection, as there;
//   - control bytes in field values become spaces; fields with invalid names are left out;
//   - Hijack fails once part of the response has been sent. A header section that is only
//     written (WriteHeader) is sent by it, which is what 101 needs;
//   - OPTIONS * reaches the handler; a Transfer-Encoding that the handler sets is left out;
//   - http.ServerContextKey is not set; http.Pusher and http.CloseNotifier do not exist.
//
// # Under net/http
//
// [Mount] gives each request to a wire server over a connection in memory. So everything
// wire does holds, its limits as well, at the price of two goroutines and of rendering
// each message once more. Context values, path values, TLS state and addresses come
// along; flushes, trailers, 1xx responses and Hijack of upgrades go through.
//
// # Middleware
//
// [Middleware] runs the handler behind it in place where the middleware passed the
// ResponseWriter and the request on as they were, or with another context: nothing is
// rendered twice then. Where it wrapped the writer or changed the request, the handler
// behind runs as under Mount.
package nethttp
