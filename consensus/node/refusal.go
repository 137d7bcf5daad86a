package node

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/consensus"
)

// A refusal says that messages came for a group that is not here. It travels against the direction of
// the messages, on their connection, since version 2:
//
//	length(4) sum(4: CRC-32C of what follows) kind(1: 1) group(varint)
//
// The connection goes on: other groups use it, and the one that is missing may be about to
// come. Each group is refused once a second at most.
const (
	refusalKind  = 1
	maxRefusal   = 1 + 10 // a varint has 10 bytes at most
	maxRefused   = 1024   // groups that are remembered for a connection
	refusalPause = time.Second
)

func appendRefusal(b []byte, group uint64) []byte {
	at := len(b)
	b = binenc.AppendUvarint(append(b, 0, 0, 0, 0, 0, 0, 0, 0, refusalKind), group)
	return seal(b, at)
}

// readRefusal returns the group that the other side does not have.
func readRefusal(r io.Reader) (group uint64, err error) {
	b, err := readSealed(r, maxRefusal)
	if err != nil {
		return 0, err
	}
	if len(b) == 0 || b[0] != refusalKind {
		return 0, ErrNotANode
	}
	br := binenc.NewReader(b[1:])
	group = br.Uvarint()
	if br.Err() != nil || br.Len() > 0 {
		return 0, ErrNotANode
	}
	return group, nil
}

// seal fills in length and sum of the frame that begins at an offset of b.
func seal(b []byte, at int) []byte {
	order.PutUint32(b[at:], uint32(len(b)-at-8))
	order.PutUint32(b[at+4:], crc32.Checksum(b[at+8:], castagnoli))
	return b
}

// readSealed reads a frame of at most so many bytes; they are the caller's.
func readSealed(r io.Reader, most int) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := order.Uint32(head[:])
	if uint64(n) > uint64(most) {
		return nil, fmt.Errorf("node: a frame of %d bytes, more than %d", n, most)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("node: cut frame: %w", err)
	}
	if crc32.Checksum(b, castagnoli) != order.Uint32(head[4:]) {
		return nil, errors.New("node: a frame with a wrong sum")
	}
	return b, nil
}

// refuse tells the sender of messages which groups are not here.
func (in *incoming) refuse(groups []uint64) error {
	in.t.stats.unknown.Add(uint64(len(groups)))
	in.mu.Lock()
	defer in.mu.Unlock()
	var b []byte
	for _, group := range groups {
		at, before := in.refused[group]
		if before && time.Since(at) < refusalPause || !before && len(in.refused) == maxRefused {
			continue
		}
		in.refused[group] = time.Now()
		if !before {
			in.t.cfg.Logger.Warn("a peer speaks to a group that is not here", "peer", uint64(in.from), "group", group)
		}
		b = appendRefusal(b, group)
	}
	if len(b) == 0 || in.version < groupsVersion {
		return nil
	}
	if err := in.c.SetWriteDeadline(time.Now().Add(in.t.cfg.WriteTimeout)); err != nil {
		return err
	}
	_, err := in.c.Write(b)
	return err
}

// heed reads what the other side of a connection for messages says, until it ends: refusals, and
// nothing at all in version 1.
func (o *outgoing) heed(c net.Conn, version uint8) error {
	if version < groupsVersion {
		_, err := c.Read(make([]byte, 1))
		if err == nil {
			err = ErrNotANode
		}
		return err
	}
	for {
		group, err := readRefusal(c)
		if err != nil {
			return err
		}
		o.t.refused(o.id, group)
	}
}

// refused notes that a peer does not have a group.
func (t *TCP) refused(id consensus.NodeID, group uint64) {
	t.stats.refused.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.groups[uint32(group)]
	if g == nil || uint64(g.number) != group {
		return // it was here when the message left
	}
	if _, before := g.refusedBy[id]; !before {
		t.cfg.Logger.Warn("a peer does not have this group", "peer", uint64(id), "group", group)
	}
	g.refusedBy[id] = time.Now()
}
