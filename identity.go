package lithair

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"time"

	"github.com/lithair/lithair-go/eventlog"
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

// notEmptied refuses a log without a record in a data directory that has been in use:
// node.json is written when the log holds records already.
func (a *App) notEmptied(log *eventlog.Log) error {
	name := path.Join(a.cfg.Dir, "node.json")
	if log.Last() > 0 {
		return nil
	}
	_, err := disk.ReadFile(a.cfg.FS, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("the log in %s holds nothing, and %s says that this directory was in use: its data is gone. Put the log back, from a backup; to begin anew, remove %s", a.logDir(), name, name)
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
