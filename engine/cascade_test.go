package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/state"
)

// node of a graph that refers to others of its kind in every way there is.
type graphNode struct {
	ID   uint64  `json:"id"`
	Up   *uint64 `json:"up" lithair:"fk=graphNode,on_delete=cascade"`
	Near *uint64 `json:"near" lithair:"fk=graphNode,on_delete=set_null"`
	Held *uint64 `json:"held" lithair:"fk=graphNode"`
}

func TestCascades(t *testing.T) {
	var nodes *engine.Table
	const limit = 500
	n := func(v uint64) *uint64 { return &v }
	for _, c := range []struct {
		name  string
		make  func() []graphNode
		gone  uint64
		left  int
		check func(err error) bool
	}{
		{"a long chain", func() (list []graphNode) {
			for i := range uint64(limit) {
				list = append(list, graphNode{ID: i})
				if i > 0 {
					list[i].Up = n(i - 1)
				}
			}
			return list
		}, 0, 0, nil},
		{"a chain over the limit", func() (list []graphNode) {
			for i := range uint64(limit + 2) {
				list = append(list, graphNode{ID: i})
				if i > 0 {
					list[i].Up = n(i - 1)
				}
			}
			return list
		}, 0, limit + 2, func(err error) bool {
			var c *engine.CascadeError
			return errors.As(err, &c) && c.Limit == limit && c.Key == "0"
		}},
		{"a star over the limit", func() (list []graphNode) {
			for i := range uint64(limit + 2) {
				list = append(list, graphNode{ID: i, Near: n(0)})
			}
			return list
		}, 0, limit + 2, func(err error) bool { var c *engine.CascadeError; return errors.As(err, &c) }},
		{"a cycle", func() []graphNode { return []graphNode{{ID: 0, Up: n(2)}, {ID: 1, Up: n(0)}, {ID: 2, Up: n(1)}} }, 1, 0, nil},
		{"itself", func() []graphNode { return []graphNode{{ID: 0, Up: n(0), Near: n(0), Held: n(0)}} }, 0, 0, nil},
		{"two ways", func() []graphNode {
			return []graphNode{{ID: 0}, {ID: 1, Up: n(0)}, {ID: 2, Up: n(0), Near: n(1)}, {ID: 3, Up: n(2), Near: n(0)}, {ID: 4, Near: n(3)}}
		}, 0, 1, nil},
		{"held from outside", func() []graphNode { return []graphNode{{ID: 0}, {ID: 1, Up: n(0)}, {ID: 2, Held: n(1)}} }, 0, 3, func(err error) bool {
			var c *engine.ConflictError
			return errors.As(err, &c) && c.Kind == engine.ConflictReferenced && c.Key == "1" && c.Ref == "graphNode 2"
		}},
		{"held from inside", func() []graphNode { return []graphNode{{ID: 0}, {ID: 1, Up: n(0)}, {ID: 2, Up: n(0), Held: n(1)}} }, 0, 0, nil},
	} {
		r := startWith(t, nil, func(r *rig) { nodes = register[graphNode](r) }, func(cfg *engine.Config) { cfg.MaxCascade = limit })
		r.must(func(tx *engine.Tx) error {
			for _, v := range c.make() {
				if err := tx.Insert(nodes, &v); err != nil {
					return err
				}
			}
			return nil
		})
		hash := r.e.Root().Hash()
		err := r.do(func(tx *engine.Tx) error { return tx.Delete(nodes, r.key(nodes, &graphNode{ID: c.gone})) })
		if c.check == nil && err != nil || c.check != nil && !c.check(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := r.e.Root().Len(nodes.Number()); got != c.left {
			t.Errorf("%s: %d are left, want %d", c.name, got, c.left)
		}
		if err != nil && r.e.Root().Hash() != hash {
			t.Errorf("%s: a refused delete left a trace", c.name)
		}
		for _, row := range r.e.Root().Scan(nodes.Number(), state.Range{}) {
			var v graphNode
			if err := nodes.Codec().Decode(row.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			for _, ref := range []*uint64{v.Up, v.Near, v.Held} {
				if ref != nil && r.e.Root().Get(nodes.Number(), r.key(nodes, &graphNode{ID: *ref})) == nil {
					t.Errorf("%s: %s refers to %d, which is gone", c.name, fmt.Sprint(v.ID), *ref)
				}
			}
		}
		if err := r.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
