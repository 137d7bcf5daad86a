package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
)

// following is an order whose log begins behind what its sink holds, and that nobody leads.
type following struct {
	order
	sink engine.Sink
	note func() // called when a snapshot is about to be written
}

// Note implements engine.Order.
func (o *following) Note(index uint64) []byte {
	if o.note != nil {
		o.note()
	}
	return o.order.Note(index)
}

// First implements engine.Order.
func (o *following) First() uint64 { return max(o.sink.Holds().Index, o.sink.NewestSnapshot()) + 1 }

// Position implements engine.Order.
func (o *following) Position(index uint64) (eventlog.Position, error) {
	return eventlog.Position{Index: index, Term: 1}, nil
}

// keyOf is a provider with one key.
func keyOf(b byte) eventlog.KeyProvider {
	key := crypt.Key(sha256.Sum256([]byte{b}))
	return crypt.Callback{
		KeyFunc:     func(uint32) (crypt.Key, error) { return key, nil },
		CurrentFunc: func() (uint32, crypt.Key, error) { return 1, key, nil },
	}
}

// startFollowing starts an engine that waits to be fed.
func startFollowing(t *testing.T, sim *disk.Sim, keys eventlog.KeyProvider, tap ...func(*following)) (*engine.Engine, engine.Sink) {
	t.Helper()
	o := &following{}
	for _, fn := range tap {
		fn(o)
	}
	e, err := engine.New(engine.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Open: func(sink engine.Sink) (engine.Order, error) {
		o.sink = sink
		return o, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Of(reflect.TypeFor[town]())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Register(m); err != nil {
		t.Fatal(err)
	}
	e.InCluster()
	if err := errors.Join(e.KeepSnapshots(engine.SnapshotConfig{Dir: "snapshots", FS: sim, Keys: keys}), e.Start(context.Background())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e, o.sink
}

// feed hands bytes over in pieces.
func feed(sink engine.Sink, b []byte, piece int) error {
	for off := 0; off < len(b); off += piece {
		if err := sink.WriteIncoming(b[off:min(off+piece, len(b))], int64(off)); err != nil {
			return err
		}
	}
	return nil
}

// TestInstall feeds an engine with the snapshot of another one, each sealed under keys of its own;
// what is not whole, or not what was announced, is refused, and the state before stands.
func TestInstall(t *testing.T) {
	var out engine.Sink
	from := startTimed(t, disk.NewSim(1), time.Unix(1e9, 0), engine.SnapshotConfig{Keys: keyOf(1), Compact: true, Keep: 1}, func(s engine.Sink) { out = s })
	for d := range 5 {
		from.day(d)
	}
	index := out.NewestSnapshot()
	at, note, size, sum, err := out.OpenSnapshot(index)
	if err != nil || at.Index != index || len(note) == 0 || size == 0 {
		t.Fatalf("%+v, note %x, %d bytes, %v", at, note, size, err)
	}
	from.day(6)
	b := make([]byte, size)
	for off := int64(0); off < size; off += 1000 {
		if err := out.ReadSnapshot(index, b[off:min(off+1000, size)], off); err != nil {
			t.Fatalf("while newer ones are written: %v", err)
		}
	}
	if err := out.CloseSnapshot(index); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := from.e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if sha256.Sum256(b) != sum {
		t.Fatal("the bytes have another sum than was said")
	}

	sim := disk.NewSim(2)
	e, in := startFollowing(t, sim, keyOf(2))
	bad := bytes.Clone(b)
	bad[len(bad)/2] ^= 1
	for name, refused := range map[string]func() error{
		"a piece behind a gap": func() error { return errors.Join(in.WriteIncoming(b[:10], 0), in.WriteIncoming(b[20:], 20)) },
		"too short":            func() error { return check(in, feed(in, b[:size-1], 999), size, sum) },
		"another sum":          func() error { return check(in, feed(in, b, 999), size, [32]byte{1}) },
		"a flipped bit":        func() error { return check(in, feed(in, bad, 999), size, sum) },
		"a flipped bit, and its sum": func() error {
			return check(in, feed(in, bad, 999), size, sha256.Sum256(bad))
		},
		"cut, and its sum": func() error {
			return check(in, feed(in, b[:size-30], 999), size-30, sha256.Sum256(b[:size-30]))
		},
	} {
		if err := refused(); err == nil {
			t.Errorf("%s is taken", name)
		}
		if err := in.AdoptIncoming(); err == nil {
			t.Errorf("%s takes the place of a snapshot", name)
		}
		if err := in.DropIncoming(); err != nil {
			t.Error(err)
		}
	}
	if in.NewestSnapshot() != 0 || e.Root().Seq() != 0 {
		t.Fatal("something refused left a trace")
	}
	if err := check(in, feed(in, b, 777), size, sum); err != nil {
		t.Fatal(err)
	}
	if err := in.AdoptIncoming(); err != nil {
		t.Fatal(err)
	}
	if e.Root().Seq() != 0 {
		t.Error("the state is shown before it is installed")
	}
	in.Installed()
	root, err := e.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	was, err := from.e.At(t.Context(), root.Seq())
	if err != nil || was.Hash() != root.Hash() || e.Stats().Applied != index || in.NewestSnapshot() != index {
		t.Fatalf("sequence %d, index %d: hash %x there, %x here, %v", root.Seq(), e.Stats().Applied, was.Hash(), root.Hash(), err)
	}
	if t := e.Tables()[0]; t.Schema() == nil {
		panic("the tables are not bound")
	}
	for _, name := range sim.Files() {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s is left", name)
		}
		if f, err := disk.ReadFile(sim, name); err != nil || bytes.Contains(f, []byte("4-23 0000")) {
			t.Errorf("%s is not sealed: %v", name, err)
		}
	}
	again, held := startFollowing(t, sim.Kill(), keyOf(2))
	if again.Root().Hash() != root.Hash() || held.Holds() != at || !bytes.Equal(held.Note(), note) {
		t.Errorf("a restart has sequence %d, %+v, note %x", again.Root().Seq(), held.Holds(), held.Note())
	}
}

// TestInstallTwice: a second snapshot may have its place before the first one is shown. Each is shown in
// its turn.
func TestInstallTwice(t *testing.T) {
	var out engine.Sink
	from := startTimed(t, disk.NewSim(1), time.Unix(1e9, 0), engine.SnapshotConfig{Keep: 1}, func(s engine.Sink) { out = s })
	sim := disk.NewSim(2)
	e, in := startFollowing(t, sim, nil)
	var indexes, seqs []uint64
	for d := range 2 {
		from.day(d)
		index := out.NewestSnapshot()
		_, _, size, sum, err := out.OpenSnapshot(index)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		if err := errors.Join(out.ReadSnapshot(index, b, 0), out.CloseSnapshot(index)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(check(in, feed(in, b, 777), size, sum), in.AdoptIncoming()); err != nil {
			t.Fatal(err)
		}
		indexes, seqs = append(indexes, index), append(seqs, from.e.Stats().SnapshotSeq)
	}
	if indexes[0] == indexes[1] {
		t.Fatal("there is only one snapshot")
	}
	for i, index := range indexes {
		in.Installed()
		root, err := e.Wait(t.Context(), seqs[i])
		if err != nil || root.Seq() != seqs[i] || e.Stats().Applied != index {
			t.Fatalf("sequence %d at index %d is shown in the place of %d at %d, %v", root.Seq(), e.Stats().Applied, seqs[i], index, err)
		}
	}
	if e.Root().Hash() != from.e.Root().Hash() || in.NewestSnapshot() != indexes[1] {
		t.Errorf("snapshot %d, sequence %d; there %d", in.NewestSnapshot(), e.Root().Seq(), from.e.Root().Seq())
	}
	if err := from.e.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestStreamBehindInstalled: where the log begins behind a snapshot of another node, what lies before
// is gone for who follows the state, also while nothing stands behind it yet.
func TestStreamBehindInstalled(t *testing.T) {
	var out engine.Sink
	from := startTimed(t, disk.NewSim(1), time.Unix(1e9, 0), engine.SnapshotConfig{Keep: 1}, func(s engine.Sink) { out = s })
	from.day(0)
	index, seq := out.NewestSnapshot(), from.e.Stats().SnapshotSeq
	_, _, size, sum, err := out.OpenSnapshot(index)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if err := errors.Join(out.ReadSnapshot(index, b, 0), out.CloseSnapshot(index), from.e.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	e, in := startFollowing(t, disk.NewSim(2), nil)
	if err := errors.Join(check(in, feed(in, b, 777), size, sum), in.AdoptIncoming()); err != nil {
		t.Fatal(err)
	}
	in.Installed()
	if _, err := e.Wait(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
	for _, behind := range []uint64{0, 1, seq - 1} {
		var gone *engine.GoneError
		if _, err := e.Stream(t.Context(), behind); !errors.As(err, &gone) || gone.Oldest != seq {
			t.Errorf("behind sequence %d of %d: %v", behind, seq, err)
		}
	}
	s, err := e.Stream(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := s.Next(1 << 20); err != nil || len(entries) > 0 {
		t.Errorf("%d entries behind the newest, %v", len(entries), err)
	}
}

// TestInstallBesideAnother: a snapshot that is being written, or sent, while one of another node is
// installed does not outlast it: it may hold a key that is destroyed in that.
func TestInstallBesideAnother(t *testing.T) {
	var out engine.Sink
	source := disk.NewSim(1)
	from := startTimed(t, source, time.Unix(1e9, 0), engine.SnapshotConfig{Keep: 1}, func(s engine.Sink) { out = s })
	from.day(0)
	from.day(1)
	index := out.NewestSnapshot()
	_, _, size, sum, err := out.OpenSnapshot(index)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if err := errors.Join(out.ReadSnapshot(index, b, 0), out.CloseSnapshot(index), from.e.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.OpenReadOnly(eventlog.Config{Dir: "log", FS: source})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	records, err := log.Read(1, 4<<10) // less than a day
	if err != nil || len(records) == 0 || records[len(records)-1].Index >= index {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, sent := range []bool{false, true} {
		sim := disk.NewSim(2)
		var o *following
		e, in := startFollowing(t, sim, nil, func(f *following) { o = f })
		in.Committed(records)
		if _, err := e.Wait(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		for e.Stats().Applied < records[len(records)-1].Index {
			runtime.Gosched()
		}
		if err := errors.Join(check(in, feed(in, b, 777), size, sum), in.AdoptIncoming()); err != nil {
			t.Fatal(err)
		}
		if !sent {
			o.note = in.Installed
		}
		if err := e.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if o.note = nil; sent {
			own := in.NewestSnapshot()
			if _, _, _, _, err := in.OpenSnapshot(own); err != nil || own >= index {
				t.Fatalf("own snapshot at %d, the other at %d, %v", own, index, err)
			}
			in.Installed()
			if err := in.ReadSnapshot(own, make([]byte, 10), 0); err != nil {
				t.Errorf("while it is sent: %v", err)
			}
			if err := in.CloseSnapshot(own); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range sim.Files() {
			if strings.HasPrefix(name, "snapshots/") && name != "snapshots/"+engine.SnapshotName(index) {
				t.Errorf("sent %v: %s is left", sent, name)
			}
		}
	}
}

func check(in engine.Sink, err error, size int64, sum [32]byte) error {
	if err == nil {
		_, _, err = in.CheckIncoming(size, sum)
	}
	return err
}

// TestDamagedSnapshotIsNotSent: a snapshot that has rotted is found when it is to be sent, and another
// one is written.
func TestDamagedSnapshotIsNotSent(t *testing.T) {
	sim := disk.NewSim(3)
	var out engine.Sink
	from := startTimed(t, sim, time.Unix(1e9, 0), engine.SnapshotConfig{Keep: 2}, func(s engine.Sink) { out = s })
	from.day(1)
	index := out.NewestSnapshot()
	if err := sim.Flip(fmt.Sprint("snapshots/", engine.SnapshotName(index)), 8*500); err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := out.OpenSnapshot(index); err == nil {
		t.Fatal("a damaged snapshot would be sent")
	}
	for {
		newest := out.NewestSnapshot()
		if newest > 0 {
			at, _, size, _, err := out.OpenSnapshot(newest)
			if err != nil || at.Index != index || size == 0 {
				t.Fatalf("%+v, %d, %v", at, size, err)
			}
			break
		}
		if err := from.e.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.CloseSnapshot(index), from.e.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}
