package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Identity is what a node must find again besides its log: who it is, and what it has
// promised (Raft dissertation §3.8).
type Identity struct {
	Group       uint64 // which of the groups on its transport, see Config.Group
	Cluster     uint64 // drawn at the bootstrap; nodes of another cluster are refused
	ID          consensus.NodeID
	Incarnation uint64 // of this disk, see consensus.Config; 0 for nodes of the bootstrap

	Term   uint64
	Vote   consensus.NodeID
	Format uint64 // newest that it has promised to read; 0: none beyond 1

	// Membership is the newest committed one, and the index of its entry; that of the
	// bootstrap has index 0.
	MembershipIndex uint64
	Membership      consensus.Membership

	// Commit was known to be committed. It may be older than the truth.
	Commit uint64

	// Install is the place of a snapshot that is about to take the place of log and state; the
	// zero value: none is. See installs.go.
	Install eventlog.Position
}

// identityFile holds an Identity twice, in two slots. They are written one after the other,
// each synced, so that a torn write leaves the identity before, and damage to either slot
// of a finished one leaves the same: an older one would be a promise forgotten. Each slot, of
// slotBytes:
//
//	magic(8) sum(4: CRC-32C of what follows) length(4) counter(8)
//	cluster(8) id(8) incarnation(8) term(8) vote(8) commit(8) membershipIndex(8)
//	if the magic is LTHNODE3 or LTHNODE4: group(8)
//	if the magic is LTHNODE4: format(8)
//	if the magic is not LTHNODE1: install(56: a position of eventlog)
//	membership
//
// Integers are little-endian. LTHNODE3 is of groups other than 0 alone, so that releases which
// know no groups read the identities that are theirs, and take no other's for one. LTHNODE4 is of nodes that have
// promised to read a newer format than 1: releases that read that one alone do not start with it.
type identityFile struct {
	file    disk.File
	counter uint64
	newer   int64 // slot that was found to be the newer whole one
	buf     []byte
}

const (
	slotBytes     = 64 << 10
	identityMagic = "LTHNODE1"
	installMagic  = "LTHNODE2" // while a snapshot is being installed
	groupMagic    = "LTHNODE3" // of another group than 0
	formatMagic   = "LTHNODE4" // of a node that reads a newer format
	identityHead  = 16
	identityFixed = 8 * 8
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

// ErrNoIdentity says that a file holds no whole identity.
var ErrNoIdentity = errors.New("node: no whole identity in the file, or one that a newer release has written")

// openIdentity opens the file; found is false when it was not there, and it is made.
func openIdentity(fs disk.FS, dir, name string) (f *identityFile, id Identity, found bool, err error) {
	f = &identityFile{buf: make([]byte, slotBytes)}
	f.file, err = fs.Open(name, disk.ReadWrite)
	if errors.Is(err, os.ErrNotExist) {
		f.file, err = fs.Open(name, disk.Create)
	}
	if err != nil {
		return nil, id, false, fmt.Errorf("node: %s: %w", name, err)
	}
	if id, found, err = f.read(); err == nil && found {
		// It may stand in the page cache only: the process may have ended between write
		// and sync, or a sync may have failed. Nothing is said on it before it is durable.
		err = f.write(id)
	} else if err == nil {
		err = f.make(fs, dir)
	}
	if err != nil {
		return nil, id, false, errors.Join(fmt.Errorf("node: %s: %w", name, err), f.file.Close())
	}
	return f, id, found, nil
}

// make gives a file that holds nothing yet its room and its name, durably. It may have been begun
// by an earlier start, which found no room.
func (f *identityFile) make(fs disk.FS, dir string) error {
	if err := f.file.Allocate(0, 2*slotBytes); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}

// read returns the newer whole slot. Where one is empty and the other not whole, the first
// write was never finished; without an empty one, it is damage. A slot that cannot be read is not empty.
func (f *identityFile) read() (id Identity, found bool, err error) {
	var unread error
	empty := 0
	for slot := range int64(2) {
		b := make([]byte, slotBytes)
		n, err := f.file.ReadAt(b, slot*slotBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			unread = err
			continue
		}
		if n < identityHead+identityFixed {
			empty++
			continue
		}
		if string(b[:8]) == string(make([]byte, 8)) {
			empty++
			continue
		}
		got, counter, err := parseIdentity(b)
		if _, newer := errors.AsType[*consensus.FormatError](err); newer {
			return id, false, err
		}
		if err == nil && counter > f.counter {
			id, f.counter, f.newer, found = got, counter, slot, true
		}
	}
	if !found && (empty == 0 || unread != nil) {
		return id, false, errors.Join(ErrNoIdentity, unread)
	}
	return id, found, nil
}

func parseIdentity(b []byte) (id Identity, counter uint64, err error) {
	n, head, place := int(order.Uint32(b[12:])), identityFixed, identityFixed // place: of an installation
	switch string(b[:8]) {
	case identityMagic:
	case installMagic:
		head += eventlog.PositionBytes
	case groupMagic:
		place += 8
		head += 8 + eventlog.PositionBytes
	case formatMagic:
		place += 16
		head += 16 + eventlog.PositionBytes
	default:
		return id, 0, ErrNoIdentity
	}
	if n < head || n > len(b)-identityHead || crc32.Checksum(b[12:identityHead+n], castagnoli) != order.Uint32(b[8:]) {
		return id, 0, ErrNoIdentity
	}
	v := func(i int) uint64 { return order.Uint64(b[identityHead+8*i:]) }
	id = Identity{Cluster: v(1), ID: consensus.NodeID(v(2)), Incarnation: v(3), Term: v(4), Vote: consensus.NodeID(v(5)), Commit: v(6), MembershipIndex: v(7)}
	if place > identityFixed {
		id.Group = order.Uint64(b[identityHead+identityFixed:])
	}
	if string(b[:8]) == formatMagic {
		id.Format = order.Uint64(b[identityHead+identityFixed+8:])
	}
	if head > place {
		if id.Install, err = eventlog.ParsePosition(b[identityHead+place : identityHead+head]); err != nil {
			return id, 0, err
		}
	}
	id.Membership, err = consensus.ParseMembership(b[identityHead+head : identityHead+n])
	if err != nil && id.Format > consensus.NewestFormat {
		err = &consensus.FormatError{Node: id.ID, Reads: consensus.Formats{Oldest: consensus.OldestFormat, Newest: consensus.NewestFormat}, Format: id.Format}
	}
	return id, v(0), err
}

// write makes an identity durable. The newer slot is overwritten last: the other may be torn or
// damaged, and then it is all there is.
func (f *identityFile) write(id Identity) error {
	magic := identityMagic
	switch {
	case id.Format > 1:
		magic = formatMagic
	case id.Group != 0:
		magic = groupMagic
	case id.Install != (eventlog.Position{}):
		magic = installMagic
	}
	b := append(f.buf[:0], magic...)
	b = append(b, make([]byte, 8)...)
	for _, v := range [...]uint64{f.counter + 1, id.Cluster, uint64(id.ID), id.Incarnation, id.Term, uint64(id.Vote), id.Commit, id.MembershipIndex} {
		b = order.AppendUint64(b, v)
	}
	if magic == groupMagic || magic == formatMagic {
		b = order.AppendUint64(b, id.Group)
	}
	if magic == formatMagic {
		b = order.AppendUint64(b, id.Format)
	}
	if magic != identityMagic {
		b = id.Install.Append(b)
	}
	head := len(b)
	b = consensus.AppendMembership(b, id.Membership)
	if len(b) > slotBytes {
		return fmt.Errorf("node: a membership of %d bytes is more than the identity holds (%d)", len(b)-head, slotBytes-head)
	}
	order.PutUint32(b[12:], uint32(len(b)-identityHead))
	order.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	f.counter++
	f.buf = b
	for _, slot := range [...]int64{1 - f.newer, f.newer} {
		if _, err := f.file.WriteAt(b, slot*slotBytes); err != nil {
			return err
		}
		if err := f.file.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func (f *identityFile) close() error { return f.file.Close() }
