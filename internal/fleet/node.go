package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/wire"
)

// asNode, when set, makes the program a node.
const asNode = "FLEET_NODE"

// RunNode returns at once, unless this process was started as a node of a Fleet: then it is one and ends as one, or when the
// process that started it does.
func RunNode() {
	if os.Getenv(asNode) == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends
		os.Exit(1)
	}()
	node()
	os.Exit(0)
}

// Register is what clients read, set and add to.
type Register struct {
	ID    string `json:"id" lithair:"primary_key"`
	Value int64  `json:"value"`
}

// Mark is left by each change: one that was made twice has two.
type Mark struct {
	ID lithair.ID `json:"id" lithair:"primary_key"`
	Op string     `json:"op"`
}

// Note is what live queries follow.
type Note struct {
	ID    string `json:"id" lithair:"primary_key"`
	Group int64  `json:"group" lithair:"indexed"`
	Text  string `json:"text"`
}

// File names a file.
type File struct {
	ID      string        `json:"id" lithair:"primary_key"`
	Content *lithair.Blob `json:"content"`
}

// sweep is the input of the command sweep, and swept its answer.
type sweep struct {
	Most int `json:"most"`
}

type swept struct {
	Left int `json:"left"`
}

// change is the input of the commands put, add and replace.
type change struct {
	Op       string `json:"op"`
	Register string `json:"register"`
	Arg      int64  `json:"arg"`
	Old      int64  `json:"old"`
}

// changed is their answer.
type changed struct {
	Value   int64 `json:"value"`
	Refused bool  `json:"refused"`
}

// RoomHistory is how many messages a room keeps.
const RoomHistory = 1000

// node is an application that clients change registers and notes of, put files into, and meet in. Its flags are those of any.
func node() {
	app := lithair.New(lithair.Config{Name: "fleet"})
	registers := lithair.Model[Register](app, "/api/registers")
	marks := lithair.Model[Mark](app, "/api/marks")
	command := func(name string, next func(value int64, c change) (int64, bool)) {
		lithair.Command(app, name, func(tx *lithair.Tx, c change) (changed, error) {
			r, err := registers.Get(tx, c.Register)
			if err != nil && !errors.Is(err, lithair.ErrNotFound) {
				return changed{}, err
			}
			fresh := err != nil
			value, ok := next(r.Value, c)
			if !ok {
				return changed{Value: r.Value, Refused: true}, nil
			}
			r = Register{ID: c.Register, Value: value}
			if fresh {
				err = registers.Insert(tx, &r)
			} else {
				err = registers.Put(tx, &r)
			}
			return changed{Value: value}, errors.Join(err, marks.Insert(tx, &Mark{Op: c.Op}))
		})
	}
	command("put", func(_ int64, c change) (int64, bool) { return c.Arg, true })
	command("add", func(value int64, c change) (int64, bool) { return value + c.Arg, true })
	command("replace", func(value int64, c change) (int64, bool) { return c.Arg, value == c.Old })
	lithair.Model[Note](app, "/api/notes")
	lithair.Model[File](app, "/api/files")
	lithair.Room(app, "room/{id}", lithair.RoomOptions{History: RoomHistory, Presence: true})
	lithair.Command(app, "sweep", func(tx *lithair.Tx, in sweep) (out swept, err error) {
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
