package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/wire"
)

// copyNode takes a backup of a running node and restores it into a fresh directory. Restore holds the hash of the state that it
// builds against the one that the node had.
func (r *run) copyNode(i int) (dir string, done backup.Restored, err error) {
	r.copies++
	dir = filepath.Join(r.cfg.Dir, fmt.Sprint("copy", r.copies))
	file := dir + ".backup"
	if err := r.fetchBackup(i, file); err != nil {
		return dir, done, err
	}
	in, err := os.Open(file)
	if err != nil {
		return dir, done, err
	}
	done, err = backup.Restore(in, backup.Options{Dir: dir})
	return dir, done, errors.Join(err, in.Close(), os.Remove(file))
}

// errNoBackup: the node could not give one.
var errNoBackup = errors.New("no backup")

func (r *run) fetchBackup(i int, file string) (err error) {
	client, err := wire.NewClient(wire.ClientConfig{Socket: filepath.Join(r.f.Nodes[i].Dir, "operator.sock"), MaxContentBytes: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a, err := client.Get(ctx, "http://operator/backup")
	if err != nil {
		return errors.Join(errNoBackup, err)
	}
	defer a.Close()
	if a.StatusCode() != 200 {
		return fmt.Errorf("%w: status %d", errNoBackup, a.StatusCode())
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(a.Body())
	return errors.Join(err, out.Close())
}

// copyWhileRunning is a fault: a backup while clients write.
func (r *run) copyWhileRunning() {
	i := r.rng.IntN(len(r.f.Nodes))
	dir, done, err := r.copyNode(i)
	switch {
	case errors.Is(err, errNoBackup):
		r.tally.add("backup", Count{Refused: 1})
		r.t.Logf("node %d gives no backup: %v", i+1, err)
	case err != nil:
		r.t.Errorf("a backup of node %d: %v", i+1, err)
		return
	default:
		r.tally.add("backup", Count{Acknowledged: 1})
		r.tally.check("restored state has the node's hash", 1)
		if done.Hash != done.AtHash || done.At == 0 {
			r.t.Errorf("a backup of node %d at sequence %d restores sequence %d, hash %x, not %x", i+1, done.Seq, done.At, done.AtHash, done.Hash)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		r.t.Errorf("%v", err)
	}
}

// judgeCopy restores a backup of a node and starts the result, which must be what the cluster is.
func (r *run) judgeCopy() {
	i := r.round % len(r.f.Nodes)
	dir, _, err := r.copyNode(i)
	if err != nil {
		r.t.Errorf("a backup of node %d, without faults: %v", i+1, err)
		return
	}
	r.tally.add("backup", Count{Acknowledged: 1})
	want := r.f.Equal()
	k := r.f.AddAlone(dir)
	r.f.Start(k)
	r.f.Await("a restored node answers", func() bool { n, ok := r.f.Ask(k); return ok && n.Seq >= want.Seq })
	got, _ := r.f.Ask(k)
	if got.Seq != want.Seq || got.Hash != want.Hash {
		r.t.Errorf("a restored copy of node %d is at sequence %d with hash %s; the cluster at %d with %s", i+1, got.Seq, got.Hash, want.Seq, want.Hash)
	}
	for _, u := range r.uploaders {
		for id, sum := range u.has {
			if !u.read(k, id, sum, "") {
				r.t.Errorf("file %s cannot be read from a restored copy of node %d", id, i+1)
			}
		}
	}
	r.tally.check("restored node has the cluster's hash", 1)
	r.f.Kill(k)
	r.f.Remove()
	if err := os.RemoveAll(dir); err != nil {
		r.t.Errorf("%v", err)
	}
}
