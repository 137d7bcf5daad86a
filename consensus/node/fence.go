package node

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path"

	"github.com/lithair/lithair-go/internal/disk"
)

// A fence outlasts the process: the state that was wrong is in snapshots, and a node that is started again
// must not show it until the next checkpoint. It stands in a file beside the identity, until the node is
// seeded anew:
//
//	magic(8) index(8) have(16) all(16) sum(4: CRC-32C of all before)
const (
	fenceSuffix = ".fenced"
	fenceMagic  = "LTHFENC1"
	fenceBytes  = 8 + 8 + 16 + 16
)

func (e *FencedError) encode() []byte {
	b := order.AppendUint64([]byte(fenceMagic), e.Index)
	b = append(append(b, e.Have[:]...), e.All[:]...)
	return order.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readFence finds a fence of an earlier run. A file that cannot be read is one: somebody wrote it.
func readFence(fs disk.FS, dir, file string) (*FencedError, error) {
	b, err := disk.ReadFile(fs, path.Join(dir, file+fenceSuffix))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	e := &FencedError{}
	if len(b) == fenceBytes+4 && string(b[:8]) == fenceMagic && crc32.Checksum(b[:fenceBytes], castagnoli) == order.Uint32(b[fenceBytes:]) {
		e.Index, e.Have, e.All = order.Uint64(b[8:]), [16]byte(b[16:32]), [16]byte(b[32:48])
	}
	return e, nil
}

// rememberFence writes the fence down. n.mu is not held.
func (n *Node) rememberFence(e *FencedError) {
	if err := disk.WriteFileAtomic(n.cfg.FS, path.Join(n.cfg.Dir, n.cfg.File+fenceSuffix), e.encode()); err != nil {
		n.cfg.Logger.Error("that this node is fenced could not be written down: a restart forgets it until the next checkpoint", "error", err)
	}
}

// forgetFence removes the fence of a node that is seeded anew.
func forgetFence(fs disk.FS, dir, file string) error {
	err := fs.Remove(path.Join(dir, file+fenceSuffix))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}
