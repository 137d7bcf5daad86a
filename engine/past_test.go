package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// TestPast writes at random, over several starts, with snapshots, then asks for the state
// at every sequence and at times between, and for the history of every record.
func TestPast(t *testing.T) {
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprint("compact ", compact), func(t *testing.T) { testPast(t, compact) })
	}
}

func testPast(t *testing.T, compact bool) {
	sim := disk.NewSim(3)
	rng := rand.New(rand.NewPCG(1, 2))
	cfg := engine.SnapshotConfig{EveryBytes: 1 << 30, Compact: compact}
	hashes, times := map[uint64][16]byte{}, map[uint64]int64{}
	versions := map[string][]uint64{} // sequences that changed a town
	people := map[uint64]int{}
	var k *keeper
	var err error
	for start := range 3 {
		if k, err = openKeeper(sim, cfg, nil); err != nil {
			t.Fatal(err)
		}
		note := func() {
			root := k.e.Root()
			hashes[root.Seq()], times[root.Seq()] = root.Hash(), root.Time()
		}
		note()
		for i := range 120 {
			name := fmt.Sprint("town ", rng.IntN(12))
			n := rng.IntN(1000) + 1
			res, err := k.e.Do(t.Context(), engine.Command{Actor: fmt.Sprint("actor ", start), Name: "change", Run: func(tx *engine.Tx) (engine.Answer, error) {
				if rng.IntN(5) == 0 {
					key, err := k.towns.Codec().ParseKey(name)
					if err != nil {
						return engine.Answer{}, err
					}
					if err := tx.Delete(k.towns, key); !errors.Is(err, engine.ErrNotFound) {
						return engine.Answer{}, err
					}
				}
				return engine.Answer{}, tx.Upsert(k.towns, &town{Name: name, People: n})
			}})
			if err != nil {
				t.Fatal(err)
			}
			if v := versions[name]; len(v) == 0 || v[len(v)-1] != res.Seq {
				if _, known := hashes[res.Seq]; !known { // it changed something
					versions[name] = append(v, res.Seq)
					people[res.Seq] = n
				}
			}
			note()
			if i == 40 || i == 80 {
				if err := k.e.Snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if start < 2 {
			if err := k.e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer k.e.Close(context.Background())
	checkPast(t, k, hashes, times, compact)
	checkHistory(t, k, versions, people, compact)
}

func checkPast(t *testing.T, k *keeper, hashes map[uint64][16]byte, times map[uint64]int64, compact bool) {
	t.Helper()
	oldest := k.e.Oldest()
	if (oldest > 0) != compact {
		t.Fatalf("the oldest sequence is %d", oldest)
	}
	read, gone := 0, 0
	for seq := range maps.Keys(hashes) { // in no order, so that what is held is used in all ways
		root, err := k.e.At(t.Context(), seq)
		var lost *engine.GoneError
		if errors.As(err, &lost) && seq < oldest && lost.Oldest == oldest {
			gone++
			continue
		}
		if err != nil {
			t.Fatalf("at %d: %v", seq, err)
		}
		if root.Seq() != seq || root.Hash() != hashes[seq] || root.Time() != times[seq] {
			t.Fatalf("at %d: another state", seq)
		}
		if err := root.VerifyHash(nil); err != nil {
			t.Fatal(err)
		}
		for _, d := range []int64{0, 1} {
			if seq < oldest {
				break // held by chance
			}
			got, err := k.e.SeqAt(t.Context(), time.Unix(0, times[seq]+d))
			if err != nil || got != seq {
				if seq+1 < uint64(len(times)) && times[seq+1] == times[seq]+d {
					continue // the next one is that close
				}
				t.Fatalf("at %d ns behind sequence %d: %d, %v", d, seq, got, err)
			}
		}
		read++
	}
	if read < 50 || (gone > 0) != compact {
		t.Fatalf("%d states were read, %d are gone", read, gone)
	}
	if _, err := k.e.At(t.Context(), k.e.Root().Seq()+1); !errors.Is(err, engine.ErrFuture) {
		t.Errorf("the future: %v", err)
	}
	if _, err := k.e.SeqAt(t.Context(), time.Now().Add(time.Hour)); !errors.Is(err, engine.ErrFuture) {
		t.Errorf("the future: %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.e.At(done, oldest+1); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func checkHistory(t *testing.T, k *keeper, want map[string][]uint64, people map[uint64]int, compact bool) {
	t.Helper()
	for name, seqs := range want {
		key, err := k.towns.Codec().ParseKey(name)
		if err != nil {
			t.Fatal(err)
		}
		got, more, complete, err := k.e.History(t.Context(), k.towns, key, 0, 1000)
		if err != nil || more || complete == compact {
			t.Fatalf("%s: more %v, complete %v, %v", name, more, complete, err)
		}
		if compact {
			oldest := k.e.Oldest()
			for len(seqs) > 0 && seqs[0] <= oldest {
				seqs = seqs[1:]
			}
		}
		if len(got) != len(seqs) {
			t.Fatalf("%s has %d versions, want %d", name, len(got), len(seqs))
		}
		for i, v := range got {
			if v.Seq != seqs[i] || v.Command != "change" || v.Actor == "" {
				t.Fatalf("%s: version %d is %+v, want sequence %d", name, i, v, seqs[i])
			}
			if v.Kind == state.Deleted {
				continue
			}
			var town town
			if err := k.towns.Codec().Decode(v.Record, &town); err != nil || town.People != people[v.Seq] {
				t.Fatalf("%s at %d: %+v, %v, want %d people", name, v.Seq, town, err, people[v.Seq])
			}
			root, err := k.e.At(t.Context(), v.Seq)
			if err != nil || string(root.Get(k.towns.Number(), key).Bytes()) != string(v.Record) {
				t.Fatalf("%s at %d: history and past differ (%v)", name, v.Seq, err)
			}
		}
		if len(got) > 3 {
			page, more, _, err := k.e.History(t.Context(), k.towns, key, got[len(got)-1].Seq, 2)
			if err != nil || len(page) != 2 || page[1].Seq != got[len(got)-2].Seq || more != (len(got) > 3) {
				t.Fatalf("%s: a page of history: %+v, %v, %v", name, page, more, err)
			}
		}
		by, _, err := k.e.Blame(t.Context(), k.towns, key)
		last := state.Deleted
		if len(got) > 0 {
			last = got[len(got)-1].Kind
		}
		switch {
		case k.e.Root().Get(k.towns.Number(), key) == nil:
			if !errors.Is(err, engine.ErrNotFound) {
				t.Fatalf("blame of what is not there: %v", err)
			}
		case err != nil:
			t.Fatal(err)
		case last != state.Deleted && by[k.towns.Schema().Field("people").Number].Seq != got[len(got)-1].Seq:
			t.Fatalf("%s: people are by %+v, want sequence %d", name, by, got[len(got)-1].Seq)
		}
	}
}
