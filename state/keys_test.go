package state_test

import (
	"bytes"
	"testing"

	"github.com/lithair/lithair-go/state"
)

func testKey(n byte) (id [16]byte, k state.Key) {
	for i := range id {
		id[i] = n ^ byte(i*i)
	}
	for i := range k.Secret {
		k.Secret[i] = n + byte(7*i) + 1
	}
	k.Time = 1000 + int64(n)
	return id, k
}

// TestKeys: keys stand in roots and snapshots, are taken back with their batch, are no part
// of hash and Diff, and one that was destroyed stays so whatever comes.
func TestKeys(t *testing.T) {
	base := state.Empty()
	b := base.Begin()
	apply := func(ev state.Event) {
		t.Helper()
		if err := b.Apply(1, ev); err != nil {
			t.Fatal(err)
		}
	}
	for n := range byte(200) {
		id, k := testKey(n)
		apply(state.KeyMade(id, k))
	}
	lost, secret := testKey(7)
	never, _ := testKey(230)
	mark := b.Mark()
	apply(state.KeyDestroyed(lost))
	b.Rollback(mark)
	if k, ok := state.KeyOf(b, lost); !ok || k != secret {
		t.Errorf("taken back: %+v %v", k, ok)
	}
	full := b.Seal(1, 5)
	if full.Hash() != base.Hash() || full.Size() != 0 || full.Schema(state.KeyModel) != nil {
		t.Error("keys are part of what nodes compare")
	}
	for c := range state.Diff(base, full) {
		t.Errorf("%+v", c)
	}
	b = full.Begin()
	for range 2 {
		apply(state.KeyDestroyed(lost))
		apply(state.KeyDestroyed(never))
		apply(state.KeyMade(lost, secret))
	}
	if err := b.Apply(1, state.Event{Model: state.KeyModel, Kind: state.Created, Key: "short"}); err == nil {
		t.Error("a short id")
	}
	after := b.Seal(2, 6)
	if k, _ := state.KeyOf(full, lost); k != secret {
		t.Error("an older root has changed")
	}
	for root, want := range map[*state.Root]int{full: 200, after: 199} {
		var buf bytes.Buffer
		if err := root.WriteSnapshot(&buf, nil); err != nil {
			t.Fatal(err)
		}
		back, _, err := state.ReadSnapshot(bytes.NewReader(buf.Bytes()), int64(buf.Len()), state.RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := back.VerifyHash(nil); err != nil {
			t.Error(err)
		}
		there := 0
		for n := range byte(240) {
			id, k := testKey(n)
			got, ok := state.KeyOf(back, id)
			if was, wasThere := state.KeyOf(root, id); got != was || ok != wasThere {
				t.Errorf("key %d: %+v %v, %+v %v before", n, got, ok, was, wasThere)
			}
			if ok && !got.Destroyed {
				if there++; got != k {
					t.Errorf("key %d is another", n)
				}
			}
		}
		if there != want || back.Len(state.KeyModel) != root.Len(state.KeyModel) {
			t.Errorf("%d keys, want %d", there, want)
		}
	}
}

// TestDestroyKeys: a snapshot without a key is the same but for the key.
func TestDestroyKeys(t *testing.T) {
	b := state.Empty().Begin()
	for n := range byte(200) {
		id, k := testKey(n)
		if err := b.Apply(1, state.KeyMade(id, k)); err != nil {
			t.Fatal(err)
		}
	}
	var with bytes.Buffer
	if err := b.Seal(1, 5).WriteSnapshot(&with, []byte("note")); err != nil {
		t.Fatal(err)
	}
	lost, key := testKey(7)
	gone := func(id [16]byte) bool { return id == lost }
	holds := func(b []byte) bool {
		t.Helper()
		h, err := state.HoldsKey(bytes.NewReader(b), int64(len(b)), gone)
		if err != nil {
			t.Fatal(err)
		}
		if h != bytes.Contains(b, key.Secret[:]) {
			t.Error("it is not what stands there")
		}
		return h
	}
	if !holds(with.Bytes()) {
		t.Error("the key is not there in the first place")
	}
	var without bytes.Buffer
	if err := state.DestroyKeys(&without, bytes.NewReader(with.Bytes()), int64(with.Len()), gone); err != nil {
		t.Fatal(err)
	}
	if holds(without.Bytes()) || without.Len() != with.Len() {
		t.Error("the key is still there")
	}
	root, note, err := state.ReadSnapshot(bytes.NewReader(without.Bytes()), int64(without.Len()), state.RestoreOptions{})
	if err != nil || string(note) != "note" {
		t.Fatal(err)
	}
	for n := range byte(200) {
		id, want := testKey(n)
		if n == 7 {
			want.Secret, want.Destroyed = [32]byte{}, true
		}
		if k, ok := state.KeyOf(root, id); !ok || k != want {
			t.Errorf("key %d: %+v", n, k)
		}
	}
	cut := with.Bytes()[:with.Len()-1]
	if err := state.DestroyKeys(&without, bytes.NewReader(cut), int64(len(cut)), gone); err == nil {
		t.Error("a snapshot that is cut off")
	}
}
