package node

import (
	"errors"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

func TestIdentitySurvivesTornWrites(t *testing.T) {
	for _, group := range []uint64{0, 3} {
		for _, format := range []uint64{0, 2} {
			testTornWrites(t, group, format)
		}
	}
}

func testTornWrites(t *testing.T, group, format uint64) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	f, _, found, err := openIdentity(fs, "d", "d/node")
	if err != nil || found {
		t.Fatalf("a new file: found %v, %v", found, err)
	}
	var wrote []Identity
	for i := range uint64(4) {
		id := Identity{Group: group, Format: format, Cluster: 7, ID: 2, Incarnation: 9, Term: 10 + i, Vote: consensus.NodeID(i), MembershipIndex: i, Membership: consensus.Voters(1, 2, 3), Commit: 5 * i}
		if i%2 == 1 { // while a snapshot is being installed
			id.Install = eventlog.Position{Index: 70 + i, Term: 3, Time: -1, Chain: eventlog.Sum{byte(i)}}
		}
		if err := f.write(id); err != nil {
			t.Fatal(err)
		}
		wrote = append(wrote, id)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	read := func() (Identity, bool, error) {
		f, id, found, err := openIdentity(fs, "d", "d/node")
		if err == nil {
			err = f.close()
		}
		return id, found, err
	}
	if id, found, err := read(); err != nil || !found || !reflect.DeepEqual(id, wrote[3]) {
		t.Fatalf("%+v, %v, %v; want %+v", id, found, err, wrote[3])
	}
	// Any byte of either slot may be bad: the other holds the same.
	file, err := fs.Open("d/node", disk.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	for slot := range int64(2) {
		whole := make([]byte, 200)
		if _, err := file.ReadAt(whole, slot*slotBytes); err != nil {
			t.Fatal(err)
		}
		for i := range identityHead + int(order.Uint32(whole[12:])) {
			bad := append([]byte(nil), whole...)
			bad[i] ^= 0x10
			if _, err := file.WriteAt(bad, slot*slotBytes); err != nil {
				t.Fatal(err)
			}
			if id, found, err := read(); err != nil || !found || !reflect.DeepEqual(id, wrote[3]) {
				t.Fatalf("slot %d, byte %d: %+v, %v, %v; want %+v", slot, i, id, found, err, wrote[3])
			}
		}
	}
	// With both bad there is an error, never a node without promises.
	for slot := range int64(2) {
		if _, err := file.WriteAt([]byte{1, 2, 3}, slot*slotBytes); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := read(); err == nil {
		t.Fatal("two bad slots were taken for a new node")
	}
}

// TestIdentityAtEachPowerFailure: whatever call of a write the power fails in, there is the
// identity before or the new one, and the new one if the write has returned; also when it is
// read once, by a process that was killed, before.
func TestIdentityAtEachPowerFailure(t *testing.T) {
	ids := []Identity{
		{Cluster: 7, ID: 2, Membership: consensus.Voters(1, 2)},
		{Cluster: 7, ID: 2, Term: 1, Vote: 1, Membership: consensus.Voters(1, 2)},
		{Cluster: 7, ID: 2, Term: 2, Vote: 2, Membership: consensus.Voters(1, 2)},
	}
	runs := 0
	for seed := range uint64(300) {
		fs := disk.NewSim(seed)
		if err := fs.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		left := 1 + int(seed%20)
		fs.Hook(func(op disk.Op, _ string) error {
			if left--; left == 0 {
				return disk.ErrPower
			}
			return nil
		})
		written := -1
		f, _, _, err := openIdentity(fs, "d", "d/node")
		for i := 0; err == nil && i < len(ids); i++ {
			if err = f.write(ids[i]); err == nil {
				written = i
			}
		}
		if seed%3 == 0 { // the process is killed, another reads, and then the power fails
			killed := fs.Kill()
			_, id, found, err := openIdentity(killed, "d", "d/node")
			fs = killed
			for i := range ids {
				if err == nil && found && reflect.DeepEqual(id, ids[i]) {
					written = max(written, i) // it goes by this
				}
			}
		}
		after := fs.Crash(seed)
		_, id, found, err := openIdentity(after, "d", "d/node")
		if err != nil || !found && written >= 0 {
			t.Fatalf("seed %d: found %v, %v; written was %d", seed, found, err, written)
		}
		if ok := !found; !ok {
			for i := max(0, written); i <= written+1 && i < len(ids); i++ {
				ok = ok || reflect.DeepEqual(id, ids[i])
			}
			if !ok {
				t.Fatalf("seed %d: %+v after identity %d was written", seed, id, written)
			}
		}
		runs++
	}
	t.Logf("%d power failures", runs)
}

// TestIdentityFoundNoRoom: the first start finds no room for the file and leaves it empty; the next
// has its name made durable before anything is promised in it.
func TestIdentityFoundNoRoom(t *testing.T) {
	for k := range uint64(16) {
		fs := disk.NewSim(3 + k)
		if err := fs.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		fs.SetCapacity(fs.Used() + slotBytes)
		if _, _, _, err := openIdentity(fs, "d", "d/node"); !disk.IsFull(err) {
			t.Fatal(err)
		}
		fs.SetCapacity(0)
		f, _, _, err := openIdentity(fs, "d", "d/node")
		if err != nil {
			t.Fatal(err)
		}
		promised := Identity{Cluster: 1, ID: 2, Term: 14, Vote: 3, Membership: consensus.Voters(1, 2, 3)}
		if err := f.write(promised); err != nil {
			t.Fatal(err)
		}
		fs.PowerOff()
		_, id, found, err := openIdentity(fs.Crash(k), "d", "d/node")
		if err != nil || !found || id.Term != 14 {
			t.Fatalf("pattern %d: promised in term 14, found %v, term %d, %v", k, found, id.Term, err)
		}
	}
}

// TestIdentityOfEachFormat: releases that read format 1 alone find theirs, and no other.
func TestIdentityOfEachFormat(t *testing.T) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		id    Identity
		magic string
	}{
		{Identity{Cluster: 7, ID: 2}, identityMagic},
		{Identity{Cluster: 7, ID: 2, Format: 1}, identityMagic},
		{Identity{Cluster: 7, ID: 2, Format: 2}, formatMagic},
		{Identity{Cluster: 7, ID: 2, Format: 2, Group: 5}, formatMagic},
	} {
		x.id.Membership = consensus.Voters(1, 2, 3)
		f, _, _, err := openIdentity(fs, "d", "d/node")
		if err == nil {
			err = f.write(x.id)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		b, err := disk.ReadFile(fs, "d/node")
		if err != nil || string(b[:8]) != x.magic || string(b[slotBytes:slotBytes+8]) != x.magic {
			t.Errorf("format %d: %q, %v; want %q", x.id.Format, b[:8], err, x.magic)
		}
	}
}

// TestIdentityOfANewerRelease names both formats, though nothing else in it can be read.
func TestIdentityOfANewerRelease(t *testing.T) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	f, _, _, err := openIdentity(fs, "d", "d/node")
	if err == nil {
		err = f.write(Identity{Cluster: 7, ID: 2, Format: 9, Membership: consensus.Voters(1, 2, 3)})
	}
	if err != nil {
		t.Fatal(err)
	}
	b := f.buf // its membership is one that this release does not read
	b[identityHead+identityFixed+16+eventlog.PositionBytes] = 77
	order.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	for slot := range int64(2) {
		if _, err := f.file.WriteAt(b, slot*slotBytes); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	_, _, _, err = openIdentity(fs, "d", "d/node")
	if e, ok := errors.AsType[*consensus.FormatError](err); !ok || e.Format != 9 || e.Reads.Newest != consensus.NewestFormat || e.Node != 2 {
		t.Errorf("it is read: %v", err)
	}
}
