package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
)

// WriteDir writes a backup of a data directory that no process has open. The state is
// built and its hash computed anew, so damage is found now and not at the restore. keys
// open what is encrypted, and seal the backup.
//
// Errors: [ErrInterrupted], *disk.LockedError, *eventlog.CorruptError; those of w and of
// the disk.
func WriteDir(ctx context.Context, w io.Writer, files disk.FS, dir string, keys eventlog.KeyProvider) (sum Summary, err error) {
	if files == nil {
		files = disk.Real()
	}
	if there, err := Interrupted(files, dir); err != nil || there {
		return sum, errors.Join(err, ErrInterrupted)
	}
	info, err := dirInfo(files, dir)
	if err != nil {
		return sum, err
	}
	o, err := engine.OpenOffline(eventlog.Config{Dir: path.Join(dir, "log"), FS: files, Keys: keys}, engine.SnapshotConfig{Dir: path.Join(dir, "snapshots"), FS: files, Keys: keys})
	if err != nil {
		return sum, err
	}
	err = o.Export(ctx, func(x *engine.Export) error {
		src := Of(x, info)
		src.Keys = keys
		if src.Files, err = DirFiles(files, dir, keys); err == nil {
			sum, err = Write(w, src)
		}
		return err
	})
	return sum, errors.Join(err, o.Close())
}

// dirInfo reads who wrote a data directory.
func dirInfo(files disk.FS, dir string) (info Info, err error) {
	b, err := disk.ReadFile(files, path.Join(dir, "node.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return info, nil
	}
	if err == nil {
		err = jsonx.Unmarshal(b, &info)
	}
	return info, err
}

// DirFiles lists the files of a data directory that belong into a backup, beside log and
// snapshots; keys open those that are sealed. Those that a running application removes meanwhile make Write fail; it keeps
// them while an export runs.
func DirFiles(files disk.FS, dir string, keys eventlog.KeyProvider) (list []File, err error) {
	p := &place{fs: files, dir: dir}
	names, err := p.inPlace()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !fileName.MatchString(n) {
			continue
		}
		open := func() (io.ReadCloser, int64, error) { return openFile(files, p.path(n)) }
		switch path.Dir(n) {
		case "positions":
		default:
			open = func() (io.ReadCloser, int64, error) {
				f, err := blob.OpenFile(blob.Config{Dir: p.path("blobs"), FS: files, Keys: keys}, path.Base(n))
				if err != nil {
					return nil, 0, err
				}
				return f, f.Size(), nil
			}
		}
		list = append(list, File{Name: n, Open: open})
	}
	return list, nil
}

func openFile(files disk.FS, name string) (io.ReadCloser, int64, error) {
	f, err := files.Open(name, disk.ReadOnly)
	if err != nil {
		return nil, 0, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, 0, size), f}, size, nil
}
