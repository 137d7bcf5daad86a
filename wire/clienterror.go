package wire

import (
	"context"
	"errors"
	"os"
)

// Stage is where a request was when it failed.
type Stage string

const (
	StageRequest Stage = "request"       // the request itself: URL, fields, its body
	StagePool    Stage = "pool"          // waiting for a connection
	StageDial    Stage = "dial"          // connecting
	StageProxy   Stage = "proxy"         // CONNECT through a proxy
	StageTLS     Stage = "TLS handshake" // with the server, or with the proxy
	StageWrite   Stage = "write"         // sending the request
	StageHead    Stage = "response head" // waiting for the response and reading its head
	StageBody    Stage = "response body" // reading the content
	StageFollow  Stage = "redirect"      // deciding on a redirect
)

// ClientError is the error of a [Client]: what failed, where and at which stage. The
// cause is found with errors.Is and errors.As: [os.ErrDeadlineExceeded] for a timeout of
// the ClientConfig, [context.DeadlineExceeded] and [context.Canceled] for the context's,
// [io.ErrUnexpectedEOF] for a response that was cut short, [ErrMalformedResponse] and
// the limits below.
type ClientError struct {
	Stage  Stage
	Method string
	URL    string // without user information
	Addr   string // address dialled; "" before there is one
	Reused bool   // the connection had carried a request before
	Err    error  // the cause
}

// Error returns the stage, request, address and cause.
func (e *ClientError) Error() string {
	s := "wire: " + e.Method + " " + e.URL + ": " + string(e.Stage)
	if e.Addr != "" {
		s += " (" + e.Addr + ")"
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ClientError) Unwrap() error { return e.Err }

// Timeout says whether time ran out: a timeout of the ClientConfig or the context's.
func (e *ClientError) Timeout() bool {
	return errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.DeadlineExceeded)
}

// Errors of a Client, found in a *[ClientError] with errors.Is.
var (
	// ErrMalformedResponse: the response breaks RFC 9112 or can be read in two ways.
	ErrMalformedResponse = errors.New("malformed response")
	// ErrResponseHeader: ClientConfig.MaxHeaderBytes.
	ErrResponseHeader = errors.New("the response head is too large")
	// ErrResponseFields: ClientConfig.MaxHeaderFields.
	ErrResponseFields = errors.New("the response has too many header fields")
	// ErrResponseTrailer: ClientConfig.MaxTrailerBytes.
	ErrResponseTrailer = errors.New("the trailer section of the response is too large")
	// ErrInterim: ClientConfig.MaxInterim.
	ErrInterim = errors.New("too many 1xx responses")
	// ErrContentLimit: MaxContentBytes of the ClientConfig or ClientRequest, MaxInflation,
	// or the limit given to ReadAll.
	ErrContentLimit = errors.New("the content of the response is too large")
	// ErrTooManyRedirects: ClientConfig.MaxRedirects.
	ErrTooManyRedirects = errors.New("too many redirects")
	// ErrNotReplayable: the request must be sent again, by a redirect with 307 or 308, and
	// its body cannot be read twice.
	ErrNotReplayable = errors.New("the request body cannot be sent again")
	// ErrPoolFull: ClientConfig.MaxWaiting.
	ErrPoolFull = errors.New("too many requests wait for a connection")
	// ErrClientClosed: the client was closed.
	ErrClientClosed = errors.New("the client is closed")
	// ErrResponseClosed: the response was closed before this read.
	ErrResponseClosed = errors.New("the response is closed")
)
