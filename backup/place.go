package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

const (
	stagingDir = "restoring"     // what a restore builds
	stateFile  = "restore.state" // there from the moment a restore counts until it is done
	asidePart  = "replaced-"     // begins the name of the folder with what was there before
	lockFile   = "log/LOCK"
)

// The phases in the state file.
const (
	phaseClear = "clear" // everything in place is old
	phaseFill  = "fill"  // everything in the staging folder is still to be moved
)

// place is a data directory that is locked for a restore.
type place struct {
	fs   disk.FS
	dir  string
	lock io.Closer
}

func (p *place) path(name string) string { return path.Join(p.dir, name) }
func (p *place) staging() string         { return p.path(stagingDir) }
func (p *place) close() error            { return p.lock.Close() }

// lockPlace takes a data directory's lock, the one of its log, for which it must exist.
func lockPlace(files disk.FS, dir string) (*place, error) {
	p := &place{fs: files, dir: dir}
	if err := files.MkdirAll(p.path("log")); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	lock, err := files.Lock(p.path(lockFile))
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	p.lock = lock
	return p, nil
}

// takePlace makes a directory ready for a restore.
func takePlace(opt Options) (*place, error) {
	p, err := lockPlace(opt.FS, opt.Dir)
	if err != nil {
		return nil, err
	}
	err = p.finish()
	if err == nil {
		err = removeAll(p.fs, p.staging())
	}
	if err == nil && !opt.Replace {
		var there []string
		if there, err = p.inPlace(); err == nil && len(there) > 0 {
			err = fmt.Errorf("%w: %s has %s", ErrNotEmpty, opt.Dir, there[0])
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// topFiles are the files of a data directory that stand in no folder, and are no settings: who the node is, how far its log
// went, and, of a member of a cluster, what it has promised. What is restored has promised nothing: with the
// log of another time, a member would take back what it has acknowledged.
var topFiles = []string{"node.json", "reached", "raft", "raft.lease", "raft.fenced", restoredFile}

// restoredFile says of which cluster the restored log is.
const restoredFile = "restored"

// RestoredOf returns the number of the cluster that a restored directory's log comes from; 0 where it was not restored, or comes from none. Its
// other members may still have what the restore took back: under their cluster's name they would take the directory for that of the
// member it was, and it them, and what is acknowledged from now on would be lost.
func RestoredOf(files disk.FS, dir string) (cluster uint64, err error) {
	b, err := disk.ReadFile(files, path.Join(dir, restoredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(string(b), "%d\n", &cluster); err != nil {
		return 0, fmt.Errorf("backup: %s in %s holds no number of a cluster: %.40q", restoredFile, dir, b)
	}
	return cluster, nil
}

// inPlace lists the files that a restore replaces, by their names below the directory.
func (p *place) inPlace() (names []string, err error) {
	for _, d := range []string{"log", "snapshots", "positions"} {
		list, err := p.list(d)
		if err != nil {
			return nil, err
		}
		names = append(names, list...)
	}
	blobs, err := p.list("blobs")
	if err != nil {
		return nil, err
	}
	for _, d := range blobs {
		list, err := p.list(d)
		if err != nil {
			return nil, err
		}
		names = append(names, list...)
	}
	top, err := p.fs.List(p.dir)
	if err != nil {
		return nil, err
	}
	for _, n := range topFiles {
		if slices.Contains(top, n) {
			names = append(names, n)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == lockFile }), nil
}

// list returns what is in a folder, by the names below the directory; nothing when there
// is no such folder.
func (p *place) list(dir string) ([]string, error) {
	names, err := p.fs.List(p.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for i := range names {
		names[i] = path.Join(dir, names[i])
	}
	return names, err
}

// commit puts what was built in place. aside is the folder with what was there before.
func (p *place) commit(now time.Time) (aside string, err error) {
	there, err := p.inPlace()
	if err != nil {
		return "", err
	}
	if aside, err = p.freshAside(now); err != nil {
		return "", err
	}
	if err := p.mark(phaseClear, aside); err != nil {
		return "", err
	}
	if err := p.finish(); err != nil || len(there) == 0 {
		return "", err
	}
	return aside, nil
}

// freshAside names the folder for what stands there after the time; one of the same second that
// is there already stays as it is.
func (p *place) freshAside(now time.Time) (string, error) {
	top, err := p.fs.List(p.dir)
	base := asidePart + now.UTC().Format("20060102T150405Z")
	name := base
	for n := 2; slices.Contains(top, name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name, err
}

// mark notes durably how far a restore has come.
func (p *place) mark(phase, aside string) error {
	return disk.WriteFileAtomic(p.fs, p.path(stateFile), fmt.Appendf(nil, "%s %s\n", phase, aside))
}

// readMark returns how far a restore has come that was cut off; "" when none was.
func readMark(files disk.FS, dir string) (phase, aside string, err error) {
	b, err := disk.ReadFile(files, path.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	phase, aside, ok := strings.Cut(strings.TrimSuffix(string(b), "\n"), " ")
	known := phase == phaseClear || phase == phaseFill
	if !ok || !known || !strings.HasPrefix(aside, asidePart) || strings.ContainsAny(aside, `/\`) {
		return "", "", fmt.Errorf("backup: %s in %s says %.60q, which no restore has written", stateFile, dir, b)
	}
	return phase, aside, nil
}

// finish carries a restore on from wherever it was cut off.
func (p *place) finish() error {
	phase, aside, err := readMark(p.fs, p.dir)
	if err != nil || phase == "" {
		return err
	}
	if phase == phaseClear {
		old, err := p.inPlace()
		if err == nil {
			err = p.move(old, p.dir, p.path(aside))
		}
		if err == nil {
			err = p.mark(phaseFill, aside)
		}
		if err != nil {
			return err
		}
	}
	staged := &place{fs: p.fs, dir: p.staging()}
	if _, err := p.fs.List(staged.dir); err == nil {
		fresh, err := staged.inPlace()
		if err == nil {
			err = p.move(fresh, staged.dir, p.dir)
		}
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := p.fs.Remove(p.path(stateFile)); err != nil {
		return err
	}
	if err := p.fs.SyncDir(p.dir); err != nil {
		return err
	}
	return removeAll(p.fs, p.staging())
}

// move gives files another place, durably: the directories they come to are synced before
// those they leave.
func (p *place) move(names []string, from, to string) error {
	dirs := map[string]bool{}
	for _, n := range names {
		if d := path.Dir(n); !dirs[d] {
			dirs[d] = true
			if err := p.fs.MkdirAll(path.Join(to, d)); err != nil {
				return err
			}
		}
		if err := p.fs.Rename(path.Join(from, n), path.Join(to, n)); err != nil {
			return err
		}
	}
	for _, base := range []string{to, from} {
		for d := range dirs {
			if err := p.fs.SyncDir(path.Join(base, d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeAll removes a folder with the layout of a data directory.
func removeAll(files disk.FS, dir string) error {
	p := &place{fs: files, dir: dir}
	if _, err := files.List(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names, err := p.inPlace()
	if err != nil {
		return err
	}
	blobs, err := p.list("blobs")
	if err != nil {
		return err
	}
	names = append(append(names, lockFile), blobs...)
	for _, n := range append(names, "log", "snapshots", "positions", "blobs", "") {
		if err := files.Remove(p.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Interrupted says whether a restore of a data directory was cut off and is to be
// finished before anything is read there.
func Interrupted(files disk.FS, dir string) (bool, error) {
	if files == nil {
		files = disk.Real()
	}
	phase, _, err := readMark(files, dir)
	return phase != "", err
}

// Replaced returns the folders of a data directory that hold what stood there before a restore
// replaced it, oldest first. Nothing reads them, and nothing is erased in them: a key that
// is destroyed later still stands there, until somebody removes the folder. None is found
// where there is no such directory.
func Replaced(files disk.FS, dir string) (folders []string, err error) {
	if files == nil {
		files = disk.Real()
	}
	names, err := files.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, n := range names {
		if strings.HasPrefix(n, asidePart) {
			folders = append(folders, path.Join(dir, n))
		}
	}
	slices.Sort(folders)
	return folders, err
}

// Finish carries on a restore of a data directory that was cut off behind the point from
// which it counts; without one it does nothing. Whoever opens the directory calls it
// first.
//
// Errors: *disk.LockedError; those of the disk.
func Finish(files disk.FS, dir string) error {
	if files == nil {
		files = disk.Real()
	}
	if there, err := Interrupted(files, dir); err != nil || !there {
		return err
	}
	p, err := lockPlace(files, dir)
	if err != nil {
		return err
	}
	return errors.Join(p.finish(), p.close())
}
