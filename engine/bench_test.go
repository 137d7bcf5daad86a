package engine_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
)

// benchEngine is an engine over a real log on the disk of the temporary directory.
func benchEngine(b *testing.B) (*engine.Engine, *engine.Table) {
	b.Helper()
	dir := b.TempDir()
	e, err := engine.New(engine.Config{Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: dir})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink})
	}})
	if err != nil {
		b.Fatal(err)
	}
	m, err := model.Of(reflect.TypeFor[author]())
	if err != nil {
		b.Fatal(err)
	}
	t, err := e.Register(m)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return e, t
}

// BenchmarkDurableInsert is a durable insert by 64 concurrent callers.
func BenchmarkDurableInsert(b *testing.B) {
	e, t := benchEngine(b)
	b.SetParallelism(32) // of GOMAXPROCS
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := e.Do(b.Context(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
				id := tx.NewID()
				return engine.Answer{}, tx.Insert(t, &author{ID: id, Email: id.String() + "@example.org", Name: "Ada", Born: 1815})
			}})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPointRead reads a record's bytes by id.
func BenchmarkPointRead(b *testing.B) {
	e, t := benchEngine(b)
	var keys []string
	for i := range 1000 {
		a := &author{Email: fmt.Sprintf("a%d@example.org", i), Name: "Ada"}
		if _, err := e.Do(b.Context(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Insert(t, a)
		}}); err != nil {
			b.Fatal(err)
		}
		key, err := t.Codec().Key(a)
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, key)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if e.Root().Get(t.Number(), keys[i%1000]) == nil {
			b.Fatal("gone")
		}
		i++
	}
}
