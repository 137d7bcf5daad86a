package lithair

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
)

// identity is node.json in the data directory: who this node is. It is made at the first
// start and never changed.
type identity struct {
	NodeID    model.ID `json:"node_id"`
	ClusterID model.ID `json:"cluster_id"`
	Format    int      `json:"format"` // of the data directory
}

// dataFormat is the version of the data directory's layout that this code knows.
const dataFormat = 1

// loadIdentity reads node.json, or makes it in a directory that has none.
func loadIdentity(files disk.FS, dir string, now time.Time) (id identity, err error) {
	name := path.Join(dir, "node.json")
	b, err := disk.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		var g model.Generator
		id = identity{NodeID: g.NewID(now, rand.Uint64), ClusterID: g.NewID(now, rand.Uint64), Format: dataFormat}
		if b, err = jsonx.Marshal(id); err != nil {
			return id, err
		}
		return id, disk.WriteFileAtomic(files, name, append(b, '\n'))
	}
	if err != nil {
		return id, err
	}
	if err := jsonx.Unmarshal(b, &id); err != nil {
		return id, fmt.Errorf("%s: %w", name, err)
	}
	if id.Format != dataFormat {
		return id, fmt.Errorf("%s: data format %d; this release knows %d", name, id.Format, dataFormat)
	}
	return id, nil
}

// The file reached in the data directory says how far the log went when the application
// was last up, or stopped. The log itself cannot tell that its newest file was removed or
// cut short, which looks as if less had been written.
func (a *App) reachedFile() string { return path.Join(a.cfg.Dir, "reached") }

// saveReached notes how far the log goes. A failure costs this check, and nothing else.
func (a *App) saveReached() {
	if err := disk.WriteFileAtomic(a.cfg.FS, a.reachedFile(), fmt.Appendf(nil, "%d\n", a.engine.Stats().Applied)); err != nil {
		a.log.Warn("how far the log goes could not be noted; a log that is cut short would not be noticed at the next start", "error", err)
	}
}

// checkReached refuses a log that ends before it did.
func (a *App) checkReached(last uint64) error {
	b, err := disk.ReadFile(a.cfg.FS, a.reachedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var reached uint64
	if _, err := fmt.Sscanf(string(b), "%d\n", &reached); err != nil {
		return fmt.Errorf("%s holds no log index: %.40q", a.reachedFile(), b)
	}
	if last >= reached {
		return nil
	}
	return fmt.Errorf("the log in %s ends at index %d, and it went to %d when the application ran last: what lies between is gone. Put the log back, from a backup; to go on without it, remove %s", a.logDir(), last, reached, a.reachedFile())
}

// positions keeps where the Committed hooks are, a file each.
type positions struct {
	fs  disk.FS
	dir string
}

// Load implements engine.Positions.
func (p positions) Load(name string) (index uint64, err error) {
	b, err := disk.ReadFile(p.fs, path.Join(p.dir, name+".pos"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(string(b), "%d\n", &index); err != nil {
		return 0, fmt.Errorf("%s.pos holds no position: %q", name, b)
	}
	return index, nil
}

// Save implements engine.Positions.
func (p positions) Save(name string, index uint64) error {
	if err := p.fs.MkdirAll(p.dir); err != nil {
		return err
	}
	return disk.WriteFileAtomic(p.fs, path.Join(p.dir, name+".pos"), fmt.Appendf(nil, "%d\n", index))
}
