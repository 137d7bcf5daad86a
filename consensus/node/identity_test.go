package node

import (
	"reflect"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/internal/disk"
)

func TestIdentitySurvivesTornWrites(t *testing.T) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	f, _, found, err := openIdentity(fs, "d", "d/node")
	if err != nil || found {
		t.Fatalf("a new file: found %v, %v", found, err)
	}
	var wrote []Identity
	for i := range uint64(3) {
		id := Identity{Cluster: 7, ID: 2, Incarnation: 9, Term: 10 + i, Vote: consensus.NodeID(i), MembershipIndex: i, Membership: consensus.Voters(1, 2, 3), Commit: 5 * i}
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
	if id, found, err := read(); err != nil || !found || !reflect.DeepEqual(id, wrote[2]) {
		t.Fatalf("%+v, %v, %v; want %+v", id, found, err, wrote[2])
	}
	// Any byte of the newest slot may be bad: then the one before counts.
	file, err := fs.Open("d/node", disk.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	newest := int64(3%2) * slotBytes
	whole := make([]byte, 200)
	if _, err := file.ReadAt(whole, newest); err != nil {
		t.Fatal(err)
	}
	n := identityHead + int(order.Uint32(whole[12:]))
	for i := range n {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x10
		if _, err := file.WriteAt(bad, newest); err != nil {
			t.Fatal(err)
		}
		if id, found, err := read(); err != nil || !found || !reflect.DeepEqual(id, wrote[1]) {
			t.Fatalf("byte %d: %+v, %v, %v; want %+v", i, id, found, err, wrote[1])
		}
	}
	// With both bad there is an error, never a node without promises.
	if _, err := file.WriteAt([]byte{1, 2, 3}, slotBytes-newest); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(); err == nil {
		t.Fatal("two bad slots were taken for a new node")
	}
}
