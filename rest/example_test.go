package rest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

type town struct {
	Name   string `json:"name" lithair:"primary_key"`
	People int    `json:"people" lithair:"indexed" http:"validate=min(1)"`
}

// A model is served without the rest of the framework: an engine, a router and a server.
func Example() {
	dir, err := os.MkdirTemp("", "lithair")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	e, err := engine.New(engine.Config{Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: dir})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink})
	}})
	if err != nil {
		log.Fatal(err)
	}
	m, err := model.Of(reflect.TypeFor[town]())
	if err != nil {
		log.Fatal(err)
	}
	towns, err := e.Register(m)
	if err != nil {
		log.Fatal(err)
	}
	r := wire.NewRouter()
	if err := rest.Mount(r, e, towns, "/towns", rest.Options{}); err != nil {
		log.Fatal(err)
	}
	if err := e.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer e.Close(context.Background())
	s, err := wire.NewServer(wire.Config{Handler: r.Handler(), ErrorBody: rest.ErrorBody})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l)
	defer s.Shutdown(context.Background())
	show := func(answer *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer.StatusCode, string(body))
	}
	url := "http://" + l.Addr().String() + "/towns"
	show(http.Post(url, "application/json", strings.NewReader(`{"name":"Delft","people":100000}`)))
	show(http.Get(url + "/count?people=>5000"))
	// Output:
	// 201 {"name":"Delft","people":100000}
	// 200 {"count":1}
}
