package main

import (
	"bytes"
	"errors"
	"html/template"
	"net"

	"github.com/lithair/lithair-go/wire"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="1"><title>Who leads</title>
<style>body{font:16px system-ui;margin:2rem}td,th{padding:.3rem 1rem;text-align:left}.leader{font-weight:bold}</style>
<h1>Who leads</h1>
<table><tr><th>node<th>role<th>term<th>leader<th>sequence<th>state hash</tr>
{{range .}}<tr{{if .Leads}} class="leader"{{end}}><td><a href="{{.URL}}">{{.Number}}</a>{{if .Down}}<td colspan="5">does not answer{{else}}<td>{{.Role}}<td>{{.Term}}<td>{{if .Leader}}node {{.Leader}}{{else}}none{{end}}<td>{{.Seq}}<td>{{.Hash}}{{end}}</tr>
{{end}}</table></html>
`))

// row is a node on the page.
type row struct {
	info
	Number int
	URL    string
	Down   bool
}

// servePage shows who leads, read anew each second; end stops it.
func (f *fleet) servePage(addr string) (end func() error, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s, err := wire.NewServer(wire.Config{Handler: func(w *wire.Response, r *wire.Request) error {
		var rows []row
		for i, p := range f.nodes {
			n, err := f.ask(r.Context(), i)
			rows = append(rows, row{info: n, Number: i + 1, URL: p.url, Down: err != nil})
		}
		var b bytes.Buffer
		if err := page.Execute(&b, rows); err != nil {
			return err
		}
		return w.Send(200, "text/html; charset=utf-8", b.Bytes())
	}})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return func() error {
		err := s.Close()
		if e := <-served; !errors.Is(e, wire.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}, nil
}
