// Package node is the application that runs on the nodes of a fleet: for bench soak, and the tests of clusters.
package node

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/fleet"
	"github.com/lithair/lithair-go/wire"
)

// Mark is left by each change: one that was made twice has two.
type Mark struct {
	ID lithair.ID `json:"id" lithair:"primary_key"`
	Op string     `json:"op"`
}

// File names a file.
type File struct {
	ID      string        `json:"id" lithair:"primary_key"`
	Content *lithair.Blob `json:"content"`
}

// roomHistory is how many messages a room keeps.
const roomHistory = 1000

// Run runs an application that clients change registers and notes of, put files into, and meet in. Its flags are those of any.
func Run() {
	app := lithair.New(lithair.Config{Name: "fleet"})
	registers := lithair.Model[fleet.Register](app, "/api/registers")
	marks := lithair.Model[Mark](app, "/api/marks")
	command := func(name string, next func(value int64, c fleet.Change) (int64, bool)) {
		lithair.Command(app, name, func(tx *lithair.Tx, c fleet.Change) (fleet.Changed, error) {
			r, err := registers.Get(tx, c.Register)
			if err != nil && !errors.Is(err, lithair.ErrNotFound) {
				return fleet.Changed{}, err
			}
			fresh := err != nil
			value, ok := next(r.Value, c)
			if !ok {
				return fleet.Changed{Value: r.Value, Refused: true}, nil
			}
			r = fleet.Register{ID: c.Register, Value: value}
			if fresh {
				err = registers.Insert(tx, &r)
			} else {
				err = registers.Put(tx, &r)
			}
			return fleet.Changed{Value: value}, errors.Join(err, marks.Insert(tx, &Mark{Op: c.Op}))
		})
	}
	command("put", func(_ int64, c fleet.Change) (int64, bool) { return c.Arg, true })
	command("add", func(value int64, c fleet.Change) (int64, bool) { return value + c.Arg, true })
	command("replace", func(value int64, c fleet.Change) (int64, bool) { return c.Arg, value == c.Old })
	lithair.Model[fleet.Note](app, "/api/notes")
	lithair.Model[File](app, "/api/files")
	lithair.Room(app, "room/{id}", lithair.RoomOptions{History: roomHistory, Presence: true})
	lithair.Command(app, "sweep", func(tx *lithair.Tx, in fleet.Sweep) (out fleet.Swept, err error) {
		var old []any
		for m, e := range marks.Scan(tx) {
			if len(old) == in.Most {
				break
			}
			old, err = append(old, m.ID), errors.Join(err, e)
		}
		for _, id := range old {
			err = errors.Join(err, marks.Delete(tx, id))
		}
		if out.Left = marks.Len(tx); out.Left > 0 {
			return out, err
		}
		var names []string
		for r, e := range registers.Scan(tx) {
			names, err = append(names, r.ID), errors.Join(err, e)
		}
		for _, name := range names {
			err = errors.Join(err, registers.Delete(tx, name))
		}
		return out, err
	})
	app.Get("/heap", heap)
	app.Get("/dump", func(w *wire.Response, r *wire.Request) error {
		var out strings.Builder
		prefix := r.Query().Get("prefix")
		err := app.View(func(s *lithair.Snapshot) error {
			for m, err := range marks.Scan(s) {
				if err != nil {
					return err
				}
				if strings.HasPrefix(m.Op, prefix) {
					fmt.Fprintln(&out, m.Op)
				}
			}
			return nil
		})
		return errors.Join(err, w.Send(200, "text/plain", []byte(out.String())))
	})
	app.Run("")
}

// heap collects garbage and answers with the bytes of live objects, or, when asked for profile, with a heap profile.
func heap(w *wire.Response, r *wire.Request) error {
	runtime.GC()
	if r.Query().Has("profile") {
		var out bytes.Buffer
		if err := pprof.WriteHeapProfile(&out); err != nil {
			return err
		}
		return w.Send(200, "application/octet-stream", out.Bytes())
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return w.Send(200, "text/plain", strconv.AppendUint(nil, m.HeapAlloc, 10))
}
