package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// maxBody is the largest request body these profiles read.
const maxBody = 16 << 20

// casesHandler serves what raw-request conformance cases ask of a server; the path
// alone decides, whatever the method.
func casesHandler(w *wire.Response, r *wire.Request) error {
	switch r.Path() {
	case "/echo":
		body, err := r.BorrowBody(maxBody)
		if err != nil {
			return err
		}
		return w.Send(200, "application/octet-stream", body)
	case "/empty":
		w.Status(204)
		return nil
	case "/notmod":
		w.SetHeader("ETag", `"x"`)
		w.Status(304)
		return nil
	case "/stream":
		return stream(w)
	case "/drop":
		return w.Send(200, "text/plain", []byte("dropped"))
	case "/plaintext":
		return w.Send(200, "text/plain", []byte("Hello, World!"))
	case "/json":
		return sizedJSON(w, r)
	case "/bytes":
		n, err := queryNumber(r, "n", 1024)
		if err != nil {
			return err
		}
		return w.Send(200, "application/octet-stream", bytes.Repeat([]byte{'x'}, n))
	}
	return mirror(w, r)
}

// stream flushes three words one by one, with no length known.
func stream(w *wire.Response) error {
	w.SetHeader("Content-Type", "text/plain")
	for _, word := range []string{"one", "two", "three"} {
		if _, err := w.WriteString(word); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// mirror says what the server understood of a request.
func mirror(w *wire.Response, r *wire.Request) error {
	body, err := r.BorrowBody(maxBody)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "method=%s\ntarget=%s\nhost=%s\nbody=%d\n", r.Method(), r.Target(), r.Host(), len(body))
	for name, value := range r.Headers() {
		fmt.Fprintf(&b, "h:%s=%s\n", strings.ToLower(name), value)
	}
	return w.Send(200, "text/plain", b.Bytes())
}

// sizedJSON answers an object of exactly ?bytes=N bytes, encoded for each request.
func sizedJSON(w *wire.Response, r *wire.Request) error {
	n, err := queryNumber(r, "bytes", 1024)
	if err != nil {
		return err
	}
	const empty = `{"fill":""}`
	if n < len(empty) {
		return &wire.Error{Status: 400, Detail: fmt.Sprintf("bytes must be at least %d", len(empty))}
	}
	out, err := jsonx.Marshal(struct {
		Fill string `json:"fill"`
	}{strings.Repeat("x", n-len(empty))})
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", out)
}

// queryNumber reads a number from the query, from 0 to 16 Mi.
func queryNumber(r *wire.Request, name string, or int) (int, error) {
	q := r.Query()
	if !q.Has(name) {
		return or, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 0 || n > maxBody {
		return 0, &wire.Error{Status: 400, Detail: fmt.Sprintf("%s must be a number from 0 to %d", name, maxBody)}
	}
	return n, nil
}
