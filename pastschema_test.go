package lithair

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestPastUnderAnotherSchema: a program whose struct has changed since reads any moment before as it reads what is there now, from the
// log and from a snapshot, and starts with what a backup restores of a moment before, at which the log says
// nothing of the new fields.
func TestPastUnderAnotherSchema(t *testing.T) {
	fs := disk.NewSim(1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var moments []uint64 // behind each value of the record
	{
		type Ware struct {
			ID    string  `json:"id"`
			Price float64 `json:"price" lithair:"indexed"`
			Gone  string  `json:"gone"`
		}
		a := newApp(t, Config{Dir: "data", FS: fs})
		wares := Model[Ware](a, "")
		must(a.Start(t.Context()))
		for n := range 3 {
			must(a.Update(t.Context(), func(tx *Tx) error {
				return wares.Upsert(tx, &Ware{ID: "a", Price: float64(n) + 0.5, Gone: "old"})
			}))
			moments = append(moments, a.engine.Root().Seq())
			if n == 1 {
				must(a.Snapshot(t.Context()))
			}
		}
		must(stop(a))
	}
	type Ware struct {
		ID    string  `json:"id"`
		Euros float64 `json:"euros" lithair:"was=price,indexed"`
		Cents int64   `json:"cents" lithair:"indexed"`
	}
	looks := 0
	look := func(a *App, wares *Collection[Ware], at uint64, want Ware) {
		t.Helper()
		looks++
		must(a.ViewAt(t.Context(), at, func(s *Snapshot) error {
			if w, err := wares.Get(s, "a"); err != nil || w != want {
				return fmt.Errorf("at %d: %+v %v, want %+v", at, w, err, want)
			}
			return nil
		}))
	}
	open := func(fs *disk.Sim) (*App, *Collection[Ware]) {
		a := newApp(t, Config{Dir: "data", FS: fs})
		wares := Model[Ware](a, "")
		must(a.Start(t.Context()))
		return a, wares
	}
	a, wares := open(fs)
	must(a.Update(t.Context(), func(tx *Tx) error { return wares.Upsert(tx, &Ware{ID: "a", Euros: 9, Cents: 900}) }))
	now := a.engine.Root().Seq()
	var file bytes.Buffer
	_, err := a.Backup(t.Context(), &file)
	must(err)
	for n, at := range moments {
		look(a, wares, at, Ware{ID: "a", Euros: float64(n) + 0.5})
	}
	look(a, wares, now, Ware{"a", 9, 900})
	must(stop(a))

	for n, at := range moments {
		back := disk.NewSim(uint64(n))
		done, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: "data", FS: back, At: &at})
		if must(err); done.At != at {
			t.Fatalf("restored %d, want %d", done.At, at)
		}
		a, wares := open(back)
		look(a, wares, at, Ware{ID: "a", Euros: float64(n) + 0.5})
		must(a.Update(t.Context(), func(tx *Tx) error { return wares.Upsert(tx, &Ware{ID: "a", Euros: 1, Cents: 100}) }))
		look(a, wares, a.engine.Root().Seq(), Ware{"a", 1, 100})
		for k, at := range moments[:n+1] {
			look(a, wares, at, Ware{ID: "a", Euros: float64(k) + 0.5})
		}
		must(stop(a))
	}
	t.Logf("%d looks", looks)
}
