package lithair

import (
	"context"
	"io"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/wire"
)

// Backup writes a backup of the running application: the state of one moment, with all
// history that is kept. Writes go on meanwhile; log and snapshots are kept until it is
// done. It is encrypted where the data is. Package backup, and "lithair restore", make a
// data directory of it.
//
// Errors: those of w, of the disk, ctx's, engine.ErrClosed.
func (a *App) Backup(ctx context.Context, w io.Writer) (sum backup.Summary, err error) {
	version, _ := buildVersion()
	a.copying.RLock()
	defer a.copying.RUnlock()
	err = a.engine.Export(ctx, func(x *engine.Export) error {
		info := backup.Info{Name: a.cfg.Name, NodeID: a.identity.NodeID.String(), ClusterID: a.identity.ClusterID.String(), Release: version}
		if a.cfg.Cluster != "" {
			info.Cluster = clusterNumber(a.cfg.Cluster)
		}
		src := backup.Of(x, info)
		src.Keys = a.keys
		if src.Files, err = backup.DirFiles(a.cfg.FS, a.cfg.Dir, a.keys); err == nil {
			sum, err = backup.Write(w, src)
		}
		return err
	})
	if err == nil {
		a.backedUp.Store(time.Now().UnixNano())
	}
	return sum, err
}

// serveBackup answers with a backup. One that is cut off has no end, which a restore
// notices.
func (a *App) serveBackup(w *wire.Response, r *wire.Request) error {
	if !a.ready.Load() {
		return &wire.Error{Status: 503, Detail: "the application is starting"}
	}
	if err := w.SetHeader("Content-Type", "application/octet-stream"); err != nil {
		return err
	}
	begun := time.Now()
	sum, err := a.Backup(r.Context(), w)
	if err != nil {
		return err
	}
	a.log.Info("a backup was taken", "seq", sum.Seq, "bytes", sum.Bytes, "took", time.Since(begun).Round(time.Millisecond).String())
	return nil
}
