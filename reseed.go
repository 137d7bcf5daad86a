package lithair

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
)

// Reseed removes log and state of a cluster's node that does not run, so that it gets all of it
// anew from the others when it starts: its state is not theirs, or its files are damaged. It
// comes back as a learner and votes again when it has caught up. Settings, certificates and the
// node's number stay; Committed hooks go on where they were, if that is not gone.
//
// It is refused where the other voters are no majority by themselves (node.ErrNeeded): what
// this node has is needed there. When it was interrupted, it is repeated.
//
// Errors: *disk.LockedError while a process has the directory open; node.ErrNoMember;
// node.ErrNeeded; those of the disk.
func Reseed(dir string) error { return reseed(disk.Real(), dir) }

func reseed(files disk.FS, dir string) (err error) {
	if _, err := files.List(path.Join(dir, "log")); err != nil {
		return fmt.Errorf("lithair: reseed: %w", err)
	}
	lock, err := files.Lock(path.Join(dir, "log", "LOCK"))
	if _, locked := errors.AsType[*disk.LockedError](err); locked {
		return fmt.Errorf("lithair: reseed: %w; stop the application first", err)
	}
	if err != nil {
		return fmt.Errorf("lithair: reseed: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	// First: a crash leaves a new incarnation with the old log, which counts for nothing.
	if err := node.Renew(files, dir, raftFile, max(1, rand.Uint64())); err != nil {
		return fmt.Errorf("lithair: reseed: %w", err)
	}
	for _, d := range []string{"log", "snapshots"} {
		if err := emptyDir(files, path.Join(dir, d)); err != nil {
			return fmt.Errorf("lithair: reseed: %w", err)
		}
	}
	err = files.Remove(path.Join(dir, "reached"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, files.SyncDir(dir))
}

// emptyDir removes the files in a directory, but for the lock.
func emptyDir(files disk.FS, dir string) error {
	names, err := files.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		if n == "LOCK" {
			continue
		}
		if err := files.Remove(path.Join(dir, n)); err != nil {
			return err
		}
	}
	return files.SyncDir(dir)
}
