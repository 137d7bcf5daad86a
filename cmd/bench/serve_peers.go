package main

import (
	"sync"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// peersHandler serves what an HTTP comparison asks of a contestant: plain text, a 1 KiB
// value encoded for each request, and a record decoded and encoded back.
func peersHandler() (wire.Handler, error) {
	plain, value := []byte("Hello, World!"), newPage()
	echo, err := echoHandler(true)
	if err != nil {
		return nil, err
	}
	r := wire.NewRouter()
	for pattern, h := range map[string]wire.Handler{
		"GET /{$}": echo,
		"GET /plain": func(w *wire.Response, r *wire.Request) error {
			return w.Send(200, "text/plain", plain)
		},
		"GET /json": func(w *wire.Response, r *wire.Request) error {
			return sendJSON(w, &value)
		},
		"POST /echo": func(w *wire.Response, r *wire.Request) error {
			body, err := r.BorrowBody(maxBody)
			if err != nil {
				return err
			}
			var s small
			if err := jsonx.Unmarshal(body, &s); err != nil {
				return &wire.Error{Status: 400, Detail: err.Error()}
			}
			return sendJSON(w, &s)
		},
	} {
		if err := r.Handle(pattern, h); err != nil {
			return nil, err
		}
	}
	return r.Handler(), nil
}

// texts holds buffers between responses; each is as long as the longest response so far.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// sendJSON encodes what v points to into a buffer that Send has copied when it returns.
func sendJSON(w *wire.Response, v any) error {
	buf := texts.Get().(*[]byte)
	defer texts.Put(buf)
	b, err := jsonx.Append((*buf)[:0], v)
	if err != nil {
		return err
	}
	*buf = b
	return w.Send(200, "application/json", b)
}
