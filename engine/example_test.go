package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"reflect"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
)

type town struct {
	Name   string `json:"name" lithair:"primary_key"`
	People int    `json:"people" lithair:"indexed" http:"validate=min(1)"`
}

// A write runs as a function on the newest state; what it changed is durable when Do
// returns. Reads take the newest root and never wait.
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
	ctx := context.Background()
	if err := e.Start(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = e.Do(ctx, engine.Command{Name: "found", Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, tx.Insert(towns, &town{Name: "Delft", People: 100_000})
	}})
	fmt.Println("founded:", err)
	_, err = e.Do(ctx, engine.Command{Name: "found", Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, tx.Insert(towns, &town{Name: "Ys"})
	}})
	fmt.Println("founded:", err)
	fmt.Println("towns:", e.Root().Len(towns.Number()))
	fmt.Println("closed:", e.Close(ctx))
	// Output:
	// founded: <nil>
	// founded: engine: town is not valid: people must be at least 1
	// towns: 1
	// closed: <nil>
}
