package backup_test

import (
	"bytes"
	"context"
	"path"
	"reflect"
	"testing"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

type letter struct {
	ID   string `json:"id" lithair:"primary_key"`
	To   int64  `json:"to" privacy:"subject"`
	Text string `json:"text" privacy:"sealed"`
}

// TestKeysOfWhatIsLeftOut: a log that is restored up to a sequence does not end with the keys of the
// transaction behind it, and neither does its state hold them.
func TestKeysOfWhatIsLeftOut(t *testing.T) {
	sim := disk.NewSim(1)
	e, err := engine.New(engine.Config{Logger: quiet, Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: "data/log", FS: sim, Logger: quiet})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink})
	}})
	must(t, err)
	m, err := model.Of(reflect.TypeFor[letter]())
	must(t, err)
	letters, err := e.Register(m)
	must(t, err)
	must(t, e.KeepSnapshots(engine.SnapshotConfig{Dir: "data/snapshots", FS: sim}))
	must(t, e.Start(context.Background()))
	var seqs []uint64
	for i := range 3 {
		res, err := e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Insert(letters, &letter{ID: string(rune('a' + i)), To: int64(i + 1), Text: "dear reader"})
		}})
		must(t, err)
		seqs = append(seqs, res.Seq)
	}
	must(t, e.Close(context.Background()))
	var file bytes.Buffer
	_, err = backup.WriteDir(context.Background(), &file, sim, "data", nil)
	must(t, err)
	for i, seq := range append([]uint64{seqs[0] - 1}, seqs...) { // so many keys belong to it
		target := disk.NewSim(2)
		_, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: "back", FS: target, At: &seq})
		must(t, err)
		log, err := eventlog.OpenReadOnly(eventlog.Config{Dir: path.Join("back", "log"), FS: target})
		must(t, err)
		keys := 0
		must(t, log.Replay(log.First(), func(r eventlog.Record) error {
			if r.Kind == engine.KindKey {
				keys++
			}
			return nil
		}))
		must(t, log.Close())
		held := root(t, target, "back", newest)
		if keys != i || held.Len(state.KeyModel) != i || held.Seq() != seq {
			t.Errorf("at %d: %d keys in the log and %d in the state at %d, want %d", seq, keys, held.Len(state.KeyModel), held.Seq(), i)
		}
	}
}

// TestKeyBehindTheTime: a log that is restored up to a time ends before a key that came later, also where the
// order's own entries, whose times are of another clock, follow the key.
func TestKeyBehindTheTime(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{})
	seq := a.put(1)
	until := a.clock.Load()
	a.close()
	log, err := eventlog.Open(eventlog.Config{Dir: "data/log", FS: sim, Logger: quiet})
	must(t, err)
	key := append([]byte{1}, bytes.Repeat([]byte{7}, 32)...)
	at := time.Unix(until, 0)
	last := log.Last()
	must(t, log.Append(
		eventlog.Record{Index: last + 1, Term: 1, Kind: engine.KindKey, Time: at.Add(2 * time.Second).UnixNano(), Payload: key},
		eventlog.Record{Index: last + 2, Term: 2, Time: at.Add(-time.Second).UnixNano()}))
	must(t, log.Close())
	var file bytes.Buffer
	_, err = backup.WriteDir(context.Background(), &file, sim, "data", nil)
	must(t, err)
	target := disk.NewSim(2)
	done, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: "back", FS: target, Time: at.Add(time.Second)})
	must(t, err)
	if held := root(t, target, "back", newest); done.At != seq || held.Seq() != seq || held.Len(state.KeyModel) != 0 {
		t.Errorf("at %d, the state at %d with %d keys", done.At, held.Seq(), held.Len(state.KeyModel))
	}
}

// TestReplacedTwice: what two restores replaced within a second stands in two folders.
func TestReplacedTwice(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{})
	a.put(1)
	file := a.hot()
	a.close()
	asides := map[string]bool{}
	for range 3 {
		done, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: "data", FS: sim, Replace: true})
		must(t, err)
		asides[done.Aside] = true
	}
	folders, err := backup.Replaced(sim, "data")
	must(t, err)
	if len(asides) != 3 || len(folders) != 3 {
		t.Errorf("folders %v, %v", asides, folders)
	}
}
