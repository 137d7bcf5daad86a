package rest

import (
	"github.com/lithair/lithair-go/engine"
)

// ReadOnce does what GET by id does between the router and the response: find the record
// and its rendered form.
func ReadOnce(e *engine.Engine, t *engine.Table) func(id string) error {
	c := &collection{e: e, t: t, shape: newShape(t.Model())}
	return func(id string) error {
		root := c.e.Root()
		c.indexText(root.Seq())
		row, err := c.find(root, id)
		if err == nil {
			_, err = c.render(row)
		}
		return err
	}
}
