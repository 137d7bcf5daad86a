package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// TestRoundTrip takes backups of a log that goes back to its beginning and of one that
// does not, hot and of a stopped directory, and restores every sequence there is.
func TestRoundTrip(t *testing.T) {
	for name, cfg := range map[string]engine.SnapshotConfig{
		"whole log":     {EveryBytes: 20 << 10},
		"compacted log": {EveryBytes: 20 << 10, Compact: true},
	} {
		t.Run(name, func(t *testing.T) {
			sim := disk.NewSim(1)
			a := start(t, sim, "data", cfg)
			roots := map[uint64]*state.Root{}
			for i := range 400 {
				a.put(i)
				roots[a.e.Root().Seq()] = a.e.Root()
			}
			last := a.e.Root()
			hot := a.hot()
			a.close()
			var cold bytes.Buffer
			sum, err := backup.WriteDir(context.Background(), &cold, sim, "data", nil)
			must(t, err)
			if sum.Seq != last.Seq() || sum.Hash != last.Hash() || sum.Bytes != int64(cold.Len()) {
				t.Fatalf("%+v", sum)
			}
			for kind, file := range map[string][]byte{"hot": hot, "cold": cold.Bytes()} {
				restoreAll(t, kind, file, last, roots, cfg)
			}
		})
	}
}

func restoreAll(t *testing.T, kind string, file []byte, last *state.Root, roots map[uint64]*state.Root, cfg engine.SnapshotConfig) {
	t.Helper()
	checked, err := backup.Check(bytes.NewReader(file), nil)
	must(t, err)
	dry, err := backup.Restore(bytes.NewReader(file), backup.Options{DryRun: true})
	must(t, err)
	if checked.Seq != last.Seq() || dry.AtHash != last.Hash() || dry.Records["town"] != 50 {
		t.Fatalf("%s: %+v\n%+v", kind, checked, dry)
	}
	if compacted := dry.Oldest > 0; compacted != cfg.Compact {
		t.Errorf("%s: the oldest sequence is %d", kind, dry.Oldest)
	}
	for seq := dry.Oldest; seq <= last.Seq(); seq += 1 + last.Seq()/13 {
		target := disk.NewSim(2)
		done, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: "back", SegmentBytes: 16 << 10, FS: target, At: &seq})
		must(t, err)
		got := root(t, target, "back", newest)
		want, known := roots[seq]
		if done.At != seq || got.Seq() != seq || got.Hash() != done.AtHash || known && want.Hash() != got.Hash() {
			t.Errorf("%s: at %d: %+v, the state is at %d", kind, seq, done, got.Seq())
		}
		b := start(t, target, "back", cfg) // and it goes on from there
		if b.put(1000) <= seq || b.e.Root().Len(b.towns.Number()) == 0 {
			t.Errorf("%s: at %d: nothing can be written", kind, seq)
		}
		b.close()
		if _, err := eventlog.Verify(eventlog.Config{Dir: "back/log", FS: target}, nil); err != nil {
			t.Errorf("%s: at %d: %v", kind, seq, err)
		}
	}
	outsides := []uint64{last.Seq() + 1}
	if dry.Oldest > 0 {
		outsides = append(outsides, dry.Oldest-1)
	}
	for _, seq := range outsides {
		var outside *backup.RangeError
		_, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: "back", SegmentBytes: 16 << 10, FS: disk.NewSim(3), At: &seq})
		if !errors.As(err, &outside) || outside.Newest != last.Seq() {
			t.Errorf("%s: at %d: %v", kind, seq, err)
		}
	}
}

// TestInsideAnEntry restores every sequence of entries that hold many transactions.
func TestInsideAnEntry(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{})
	for range 5 {
		var wg sync.WaitGroup
		sim.Hook(func(op disk.Op, _ string) error { // the first one waits for others, which then share an entry
			for i := 0; op == disk.OpSync && i < 1e6 && a.e.Stats().Queued < 20; i++ {
				runtime.Gosched()
			}
			return nil
		})
		for i := range 30 {
			wg.Go(func() {
				_, err := a.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) { return engine.Answer{}, a.write(tx, i) }})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		sim.Hook(nil)
	}
	file, last := a.hot(), a.e.Root().Seq()
	a.close()
	inside, many := 0, map[uint64]bool{}
	o, err := offline(sim, "data")
	must(t, err)
	must(t, o.Records(1, func(r eventlog.Record) error {
		if r.Kind == engine.KindBatch {
			first, count, err := engine.EntrySpan(r.Payload)
			for s := first; s < first+count-1; s++ {
				many[s] = true
			}
			return err
		}
		return nil
	}))
	must(t, o.Close())
	for seq := range last + 1 {
		target := disk.NewSim(2)
		_, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: "back", SegmentBytes: 16 << 10, FS: target, At: &seq})
		must(t, err)
		if want := root(t, sim, "data", seq); root(t, target, "back", newest).Hash() != want.Hash() || want.Seq() != seq {
			t.Errorf("at %d: another state", seq)
		}
		if many[seq] {
			inside++
		}
	}
	if inside == 0 {
		t.Error("no sequence stood inside an entry: the test shows nothing")
	}
}

// TestTime restores by time: the last entry not later than it.
func TestTime(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{EveryBytes: 4 << 10, Compact: true})
	type moment struct {
		at  time.Time
		seq uint64
	}
	var moments []moment
	for i := range 200 {
		seq := a.put(i)
		moments = append(moments, moment{time.Unix(0, a.e.Root().Time()), seq})
	}
	file := a.hot()
	a.close()
	dry, err := backup.Restore(bytes.NewReader(file), backup.Options{DryRun: true})
	must(t, err)
	tried := 0
	for i, m := range moments {
		if i%9 != 0 && i != len(moments)-1 {
			continue
		}
		done, err := backup.Restore(bytes.NewReader(file), backup.Options{DryRun: true, Time: m.at.Add(500 * time.Millisecond)})
		if m.seq < dry.Oldest {
			if !errors.As(err, new(*backup.RangeError)) {
				t.Errorf("before the oldest: %v", err)
			}
			continue
		}
		tried++
		if err != nil || done.At != m.seq || !done.Time.Equal(m.at) {
			t.Errorf("at %v: %+v, %v; want %d", m.at, done, err, m.seq)
		}
	}
	if _, err := backup.Restore(bytes.NewReader(file), backup.Options{DryRun: true, Time: time.Now().Add(time.Hour)}); !errors.As(err, new(*backup.RangeError)) {
		t.Errorf("a time behind the backup: %v", err)
	}
	if tried == 0 || tried == len(moments) {
		t.Errorf("%d tried", tried)
	}
}

// TestTimeBesideAnotherClock: an entry that begins a term bears the time of a clock that was
// ahead; what came behind it, by another clock, is restored to its time all the same.
func TestTimeBesideAnotherClock(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{})
	a.put(1)
	a.close()
	a, err := tryStartAt(t, sim, "data", engine.SnapshotConfig{}, 2_000_000) // the term begins
	must(t, err)
	a.clock.Store(1_000_010)
	want := a.put(2)
	a.put(3)
	file := a.hot()
	a.close()
	done, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: "back", FS: sim, Time: time.Unix(1_000_011, 0)})
	must(t, err)
	if done.At != want {
		t.Errorf("restored to %d, want %d", done.At, want)
	}
	b := start(t, sim, "back", engine.SnapshotConfig{})
	if got := b.e.Root().Seq(); got != want {
		t.Errorf("the restored directory is at %d, want %d", got, want)
	}
	b.close()
}

// TestUnderLoad takes backups while writers write: each is the state of one moment.
func TestUnderLoad(t *testing.T) {
	dir := t.TempDir()
	a := start(t, disk.Real(), dir, engine.SnapshotConfig{EveryBytes: 64 << 10, Compact: true})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; ctx.Err() == nil; i += 4 {
				_, err := a.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) { return engine.Answer{}, a.write(tx, i) }})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	seqs := map[uint64]bool{}
	for range 10 {
		a.put(1)
		file := a.hot()
		done, err := backup.Restore(bytes.NewReader(file), backup.Options{DryRun: true})
		must(t, err)
		seqs[done.At] = true
		if was, err := a.e.At(ctx, done.At); err == nil && was.Hash() != done.AtHash {
			t.Errorf("at %d: another state", done.At)
		}
	}
	cancel()
	wg.Wait()
	a.close()
	if len(seqs) < 2 {
		t.Error("nothing was written meanwhile")
	}
}

// TestDamage turns every byte of a small backup, and cuts it everywhere.
func TestDamage(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{})
	for i := range 3 {
		a.put(i)
	}
	file := a.hot()
	a.close()
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		refused(t, fmt.Sprintf("byte %d turned", i), bad, int64(i))
		refused(t, fmt.Sprintf("cut at %d", i), file[:i], int64(i))
	}
	refused(t, "a byte more", append(bytes.Clone(file), 0), int64(len(file)))
	if _, err := backup.Check(io.MultiReader(bytes.NewReader(file[:100]), brokenReader{}), nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, os.ErrPermission }

func refused(t *testing.T, what string, file []byte, at int64) {
	t.Helper()
	var damage *backup.DamageError
	if _, err := backup.Check(bytes.NewReader(file), nil); !errors.As(err, &damage) || damage.Offset > at {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestRefusals is what a restore does not do.
func TestRefusals(t *testing.T) {
	sim := disk.NewSim(1)
	a := start(t, sim, "data", engine.SnapshotConfig{})
	a.put(1)
	file := a.hot()
	want := a.e.Root().Hash()
	restore := func(opt backup.Options) error {
		opt.FS = sim
		_, err := backup.Restore(bytes.NewReader(file), opt)
		return err
	}
	if err := restore(backup.Options{Dir: "data", Replace: true}); !errors.As(err, new(*disk.LockedError)) {
		t.Errorf("over a live directory: %v", err)
	}
	if _, err := backup.WriteDir(context.Background(), io.Discard, sim, "data", nil); !errors.As(err, new(*disk.LockedError)) {
		t.Errorf("of a live directory: %v", err)
	}
	a.close()
	if err := restore(backup.Options{Dir: "data"}); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("over data: %v", err)
	}
	one := uint64(1)
	for _, opt := range []backup.Options{{}, {Dir: "x", At: &one, Time: time.Now()}} {
		if err := restore(opt); err == nil {
			t.Errorf("%+v: taken", opt)
		}
	}
	if _, err := backup.WriteDir(context.Background(), io.Discard, sim, "nowhere", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if root(t, sim, "data", newest).Hash() != want {
		t.Error("a refusal changed something")
	}
	if err := restore(backup.Options{Dir: "data", Replace: true}); err != nil {
		t.Error(err)
	}
	src := &backup.Source{Records: func(func(eventlog.Record) error) error { return nil }, Files: []backup.File{{Name: "../../etc/passwd"}}}
	if _, err := backup.Write(io.Discard, src); err == nil || !strings.Contains(err.Error(), "no name of a file") {
		t.Errorf("a name that leads out: %v", err)
	}
}

// TestSealed makes backups of encrypted directories, under a key that changes, and finds
// nothing of their content in any file.
func TestSealed(t *testing.T) {
	keys := func(list string) eventlog.KeyProvider {
		r, err := crypt.ParseRing(list)
		must(t, err)
		return r
	}
	one, two := strings.Repeat("1a2b", 16), strings.Repeat("2b3c", 16)
	first, both := keys("1:"+one), keys("1:"+one+",2:"+two)
	sim := disk.NewSim(1)
	cfg := engine.SnapshotConfig{EveryBytes: 4 << 10, Compact: true, Keys: first}
	a := start(t, sim, "data", cfg)
	for i := range 100 {
		a.put(i)
	}
	a.close()
	cfg.Keys = both
	a = start(t, sim, "data", cfg)
	for i := range 100 {
		a.put(i)
	}
	want := a.e.Root()
	file := a.hot()
	a.close()
	if dry, err := backup.Restore(bytes.NewReader(file), backup.Options{DryRun: true, Keys: both}); err != nil || dry.Oldest == 0 || dry.AtHash != want.Hash() {
		t.Fatalf("%+v, %v", dry, err)
	}
	for name, c := range map[string]struct {
		keys eventlog.KeyProvider
		want error
	}{"no key": {nil, crypt.ErrNoKeys}, "the old key alone": {first, crypt.ErrUnknownKey}, "another": {keys("2:" + one), crypt.ErrWrongKey}} {
		if _, err := backup.Check(bytes.NewReader(file), c.keys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range file {
		bad := bytes.Clone(file)
		if bad[i] ^= 1 << (i % 8); i%5 == 0 {
			if _, err := backup.Check(bytes.NewReader(bad), both); err == nil {
				t.Fatalf("byte %d turned, and nothing noticed", i)
			}
		}
	}
	target := disk.NewSim(2)
	_, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: "back", FS: target, Keys: both, SegmentBytes: 16 << 10})
	must(t, err)
	b := start(t, target, "back", cfg)
	if b.e.Root().Hash() != want.Hash() {
		t.Error("another state")
	}
	b.close()
	marker := []byte("town-0")
	for what, files := range map[string]*disk.Sim{"source": sim, "restored": target} {
		for _, n := range files.Files() {
			content, err := disk.ReadFile(files, n)
			must(t, err)
			if bytes.Contains(content, marker) {
				t.Errorf("%s: %s shows what is in it", what, n)
			}
		}
	}
	if bytes.Contains(file, marker) {
		t.Error("the backup shows what is in it")
	}
}
