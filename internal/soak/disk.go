package soak

import (
	"fmt"
	"os"
	"path/filepath"
)

// smallDisk is a file system of a node's own, which can be made full.
type smallDisk struct{ dir string }

const diskBytes = 1 << 30

// makeDisks gives all nodes but the first a small disk, where this machine lets that be done.
func (r *run) makeDisks() {
	for i := 1; i < nodes; i++ {
		dir := filepath.Join(r.cfg.Dir, fmt.Sprint("node", i+1))
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			err = mount(dir, diskBytes)
		}
		if err != nil {
			why := fmt.Sprintf("no file system can be mounted here (root may): %v", err)
			r.tally.leftOut(fullLeader, why)
			r.tally.leftOut(fullFollower, why)
			return
		}
		r.disks[i] = &smallDisk{dir}
	}
}

// removeDisks removes them, unless somebody has to look at what is there.
func (r *run) removeDisks() {
	for _, d := range r.disks {
		switch {
		case d == nil:
		case r.t.Failed():
			r.t.Logf("%s is a mounted file system, in memory: umount removes it", d.dir)
		default:
			if err := unmount(d.dir); err != nil {
				r.t.Errorf("%s: %v", d.dir, err)
			}
		}
	}
}

func (d *smallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

// empty gives back what fill has taken.
func (d *smallDisk) empty() error { return os.Remove(d.ballast()) }
