package node

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// Who answers a leader with leases promises to vote for nobody else for an election timeout, and that holds over a restart, with
// other settings as well. For how long the last run promised stands in a file beside the identity, before it promised anything:
//
//	magic(8) nanoseconds(8) sum(4: CRC-32C of all before)
//
// A run without leases, or with a shorter election timeout, waits that out first, and then writes down what is right for itself.
const (
	promiseSuffix = ".lease"
	promiseMagic  = "LTHLEAS1"
	promiseBytes  = 8 + 8
)

// ErrPromise says that the file is not whole: for how long this node has promised is not known.
var ErrPromise = errors.New("node: the file that says for how long this node has promised to vote for nobody is damaged; remove it an election timeout after the last run has ended")

func (n *Node) promiseFile() string { return path.Join(n.cfg.Dir, n.cfg.File+promiseSuffix) }

// promises is for how long this run's answers may carry a lease; 0: they carry none.
func (n *Node) promises() time.Duration {
	if !n.cfg.Raft.LeaseReads {
		return 0
	}
	return n.cfg.Tick * time.Duration(n.cfg.Raft.ElectionTicks)
}

// readPromise finds out what an earlier run has promised, and sees to it that this one's promise is known, too.
func (n *Node) readPromise() error {
	if n.file == nil {
		return nil
	}
	b, err := disk.ReadFile(n.cfg.FS, n.promiseFile())
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case len(b) != promiseBytes+4 || string(b[:8]) != promiseMagic || crc32.Checksum(b[:promiseBytes], castagnoli) != order.Uint32(b[promiseBytes:]):
		return fmt.Errorf("%s: %w", n.promiseFile(), ErrPromise)
	default:
		n.promised = time.Duration(order.Uint64(b[8:]))
	}
	if own := n.promises(); own > n.promised {
		return n.writePromise(own)
	}
	return nil
}

func (n *Node) writePromise(d time.Duration) error {
	b := order.AppendUint64([]byte(promiseMagic), uint64(d))
	return disk.WriteFileAtomic(n.cfg.FS, n.promiseFile(), order.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

// outlived writes down this run's own promise, or that it has none, once a longer one of an earlier run is over. n.mu is held.
func (n *Node) outlived() {
	own := n.promises()
	if n.promised <= own {
		return
	}
	if n.sinceStart++; n.sinceStart <= int(n.promised/n.cfg.Tick)+2 {
		return
	}
	n.promised = own
	n.job(func() {
		var err error
		if own > 0 {
			err = n.writePromise(own)
		} else if err = n.cfg.FS.Remove(n.promiseFile()); err == nil {
			err = n.cfg.FS.SyncDir(n.cfg.Dir)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			n.cfg.Logger.Warn("that a promise to vote for nobody is over could not be written down: the next start waits for it once more", "error", err)
		}
	})
}
