package lithair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/wire"
)

// Files do not go through the log. One is durable on a majority of the voters before its upload is
// acknowledged, and so before any record can name it: what survives the loss of nodes is the same for
// files as for records. A node that was not among them fetches a file when it is first read there, or when it
// leads and a record is to name it, and in any case behind the commit, by comparing what it has with
// what others do. Files are called by their content, so that whoever receives one checks it against its name.

// blobPath begins the path of a file, and blobList is what lists them, on the stream for requests alone.
const (
	blobPath = "/_cluster/blob/"
	blobList = "/_cluster/blobs"
)

// maxListed bounds how many files are named in one list.
const maxListed = 10_000

// serveBlobPeer answers what other nodes ask about files.
func (a *App) serveBlobPeer(w *wire.Response, r *wire.Request) error {
	s := a.blobs.Load()
	if s == nil {
		return errUnusable
	}
	if r.RawPath() == blobList {
		list := s.Hashes()
		if after, found := slices.BinarySearch(list, r.Query().Get("after")); found {
			list = list[after+1:]
		} else {
			list = list[after:]
		}
		return w.Send(200, "text/plain", []byte(strings.Join(list[:min(len(list), maxListed)], "\n")))
	}
	hash := strings.TrimPrefix(r.RawPath(), blobPath)
	if !blob.ValidHash(hash) {
		return &wire.Error{Status: 400, Detail: "no name of a file"}
	}
	if r.Method() == "PUT" {
		return wire.LargeBody(a.cfg.MaxBlobBytes)(func(w *wire.Response, r *wire.Request) error {
			if err := receiveBlob(s, hash, r.Body()); err != nil {
				return notTaken(err)
			}
			return w.Send(200, "text/plain", nil)
		})(w, r)
	}
	f, err := s.Open(hash)
	if errors.Is(err, blob.ErrNotFound) {
		return &wire.Error{Status: 404, Detail: "the file is not here"}
	}
	if err != nil {
		return err
	}
	return errors.Join(w.ServeContent(r, wire.Content{Body: f, Size: f.Size(), Type: "application/octet-stream"}), f.Close())
}

// receiveBlob keeps a file of another node, if it is the one that it is called.
func receiveBlob(s *blob.Store, hash string, body io.Reader) error {
	ref, err := s.Put(body)
	if err == nil && ref.Hash != hash {
		err = fmt.Errorf("lithair: file %s arrived as %s", hash, ref.Hash) // it is collected: nothing names it
	}
	return err
}

// blobPace is how fast a file goes from node to node at the least, in bytes a second, beside the time that
// any request has.
const blobPace = 1 << 20

// transferTime is how long a file of that size may take.
func (a *App) transferTime(size int64) time.Duration {
	return a.cfg.RequestTimeout + time.Duration(size/blobPace)*time.Second
}

// spread brings a file that is durable here to the other members, and returns when it is on a majority of
// the voters. The rest get it meanwhile or later.
func (a *App) spread(c *cluster, ref blob.Ref) error {
	s := c.node.Status()
	holds := map[consensus.NodeID]bool{s.ID: true}
	ctx, cancel := context.WithTimeout(c.fetches.ctx, a.transferTime(ref.Size))
	type answer struct {
		from consensus.NodeID
		err  error
	}
	answers, asked := make(chan answer), 0
	for _, m := range s.Membership.Members {
		if m.ID == s.ID {
			continue
		}
		asked++
		go func() { answers <- answer{m.ID, a.sendBlobTo(ctx, c, m.ID, ref)} }()
	}
	var errs []error
	for asked > 0 && !majority(s.Membership, holds) {
		x := <-answers
		if asked--; x.err != nil {
			errs = append(errs, x.err)
		} else {
			holds[x.from] = true
		}
	}
	a.behind.Go(func() {
		defer cancel()
		for range asked {
			<-answers // what fails is fetched by who lacks it
		}
	})
	if !majority(s.Membership, holds) {
		e := notMade(fmt.Sprintf("the file is on %d members, and must be on %d voters, while these change on most of the old and of the new ones", len(holds), len(voters(s))/2+1))
		e.Err = errors.Join(errs...)
		return e
	}
	return nil
}

// majority says whether the holders are more than half of the voters; while the voters change, of the old ones and of the new ones.
func majority(m consensus.Membership, holds map[consensus.NodeID]bool) bool {
	var all, held [2]int // of the old half, and of the new one
	count := func(half int, id consensus.NodeID) {
		if all[half]++; holds[id] {
			held[half]++
		}
	}
	for _, x := range m.Members {
		if x.Role == consensus.Voter || x.Role == consensus.Outgoing || x.Role == consensus.Demoted {
			count(0, x.ID)
		}
		if x.Role == consensus.Voter || x.Role == consensus.Incoming {
			count(1, x.ID)
		}
	}
	return held[0] > all[0]/2 && held[1] > all[1]/2
}

func (a *App) sendBlobTo(ctx context.Context, c *cluster, to consensus.NodeID, ref blob.Ref) error {
	f, err := a.blobs.Load().Open(ref.Hash)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	res, err := c.client.Do(ctx, &wire.ClientRequest{Method: "PUT", URL: nodeURL(to, blobPath+ref.Hash), Body: once{f}, Length: ref.Size})
	if err != nil {
		return err
	}
	b, err := res.ReadAll(maxNodeInfo)
	if err = errors.Join(err, res.Close()); err == nil && res.StatusCode() != 200 {
		err = fmt.Errorf("lithair: node %d answers %d to a file: %.300s", to, res.StatusCode(), b)
	}
	return err
}

// fetches are files that are on their way here.
type fetches struct {
	ctx  context.Context // of files under way, in both directions
	stop context.CancelFunc

	mu     sync.Mutex
	under  map[string]*fetched
	absent map[string]time.Time // nobody has them; when that was asked
}

// fetched is one of them.
type fetched struct {
	done chan struct{}
	err  error
}

// end stops what is under way; nothing new begins.
func (f *fetches) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop()
}

// absentFor is how long nobody is asked again for a file that nobody had.
const absentFor = 5 * time.Second

// fetch begins to fetch a file that is not here, or joins whoever does.
func (a *App) fetch(c *cluster, hash string) *fetched {
	c.fetches.mu.Lock()
	defer c.fetches.mu.Unlock()
	if f := c.fetches.under[hash]; f != nil {
		return f
	}
	f := &fetched{done: make(chan struct{}), err: c.fetches.ctx.Err()}
	if f.err != nil {
		close(f.done)
		return f
	}
	if at, known := c.fetches.absent[hash]; known && time.Since(at) < absentFor {
		f.err = blob.ErrNotFound
		close(f.done)
		return f
	}
	if c.fetches.under == nil || len(c.fetches.absent) > maxListed {
		c.fetches.under, c.fetches.absent = map[string]*fetched{}, map[string]time.Time{}
	}
	c.fetches.under[hash] = f
	a.behind.Go(func() {
		f.err = a.fetchNow(c, hash)
		c.fetches.mu.Lock()
		delete(c.fetches.under, hash)
		delete(c.fetches.absent, hash)
		if errors.Is(f.err, blob.ErrNotFound) {
			c.fetches.absent[hash] = time.Now()
		}
		c.fetches.mu.Unlock()
		close(f.done)
	})
	return f
}

// fetchNow asks one member after the other for a file, the leader first.
//
// Errors: blob.ErrNotFound when all have answered that they do not have it.
func (a *App) fetchNow(c *cluster, hash string) error {
	s := c.node.Status()
	members := slices.Clone(s.Membership.Members)
	slices.SortStableFunc(members, func(x, y consensus.Member) int {
		switch s.Lead {
		case x.ID:
			return -1
		case y.ID:
			return 1
		}
		return 0
	})
	err := blob.ErrNotFound
	for _, m := range members {
		if m.ID == s.ID {
			continue
		}
		switch e := a.fetchFrom(c, m.ID, hash); {
		case e == nil:
			return nil
		case !errors.Is(e, blob.ErrNotFound):
			err = e
		}
	}
	return err
}

func (a *App) fetchFrom(c *cluster, from consensus.NodeID, hash string) error {
	ctx, cancel := context.WithTimeout(c.fetches.ctx, a.transferTime(a.cfg.MaxBlobBytes))
	defer cancel()
	res, err := c.client.Get(ctx, nodeURL(from, blobPath+hash))
	if err != nil {
		return err
	}
	switch res.StatusCode() {
	case 200:
		err = receiveBlob(a.blobs.Load(), hash, res.Body())
	case 404:
		err = blob.ErrNotFound
	default:
		err = fmt.Errorf("lithair: node %d answers %d to the wish for a file", from, res.StatusCode())
	}
	return errors.Join(err, res.Close())
}

// haveBlob fetches a file that a record names and that is not here yet; of a node alone there is none.
func (a *App) haveBlob(ctx context.Context, hash string) error {
	c := a.cluster.Load()
	if c == nil {
		return blob.ErrNotFound
	}
	f := a.fetch(c, hash)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wantBlob is haveBlob for who cannot wait: a transaction. It says whether it is worth asking again.
func (a *App) wantBlob(hash string) (again bool) {
	c := a.cluster.Load()
	if c == nil {
		return false
	}
	f := a.fetch(c, hash)
	select {
	case <-f.done:
		return !errors.Is(f.err, blob.ErrNotFound)
	default:
		return true
	}
}

// holdsBlobs says whether a model has files.
func (a *App) holdsBlobs() bool {
	return slices.ContainsFunc(a.engine.Tables(), func(t *engine.Table) bool { return len(t.Model().Blobs()) > 0 })
}

// How often a node compares its files with the leader's: soon after it lacked some, or knows of another leader.
// Where none of what it lacks comes, it waits longer each time.
const (
	compareSoon  = time.Second
	compareRetry = time.Minute // at most
	compareEvery = 10 * time.Minute
)

// keepBlobs is the goroutine that fetches what the leader has and this node lacks.
func (a *App) keepBlobs(ctx context.Context, c *cluster) {
	retry := compareSoon // longer while nothing comes: a damaged file is sent whole each time it is asked for
	for ctx.Err() == nil {
		v, changed := c.node.View()
		pause := compareEvery
		if v.Leader != 0 && v.Leader != c.cfg.id {
			switch got, err := a.compareBlobs(ctx, c, v.Leader); {
			case err != nil && ctx.Err() == nil:
				a.log.Warn("files of the leader could not be fetched; they are asked for again", "leader", uint64(v.Leader), "in", retry, "error", err)
				pause = retry
				if retry = min(2*retry, compareRetry); got > 0 {
					retry = compareSoon
				}
			case got > 0:
				pause, retry = compareSoon, compareSoon
			default:
				retry = compareSoon
			}
		}
		t, last := time.NewTimer(pause), v.Leader
		for v.Leader == last {
			select {
			case <-changed:
				v, changed = c.node.View()
				continue
			case <-t.C:
			case <-ctx.Done():
			}
			break
		}
		t.Stop()
	}
}

// maxFailedInARow is after how many files that did not come, one behind the other, no more are asked
// for: it is the network or the other node then. One that is damaged there holds up no other.
const maxFailedInARow = 16

// compareBlobs fetches what a node has and this one lacks. Its error is that of the first file that did not
// come; others were fetched all the same.
func (a *App) compareBlobs(ctx context.Context, c *cluster, from consensus.NodeID) (got int, err error) {
	var first error
	failed := 0 // in a row
	for after := ""; ; {
		res, err := c.client.Get(ctx, nodeURL(from, blobList+"?after="+after))
		if err != nil {
			return got, err
		}
		b, err := res.ReadAll(maxListed * 65)
		if err = errors.Join(err, res.Close()); err != nil {
			return got, err
		}
		if res.StatusCode() != 200 {
			return got, fmt.Errorf("lithair: node %d answers %d to the wish for a list of files", from, res.StatusCode())
		}
		list := strings.Fields(string(b))
		for _, hash := range list {
			if !blob.ValidHash(hash) {
				return got, fmt.Errorf("lithair: node %d lists %.80q as a file", from, hash)
			}
			if a.blobs.Load().Has(hash) {
				continue
			}
			if err := a.haveBlob(ctx, hash); err != nil && !errors.Is(err, blob.ErrNotFound) { // gone meanwhile
				if first == nil {
					first = fmt.Errorf("file %s: %w", hash, err)
				}
				if failed++; failed == maxFailedInARow || ctx.Err() != nil {
					return got, first
				}
				continue
			}
			failed, got = 0, got+1
		}
		if len(list) < maxListed {
			return got, first
		}
		after = list[len(list)-1]
	}
}

// errBlobUnder is why a record that names a file which is on its way to the leader is refused for now.
func errBlobUnder(hash string) error {
	return notMade("file " + hash + " is on its way to this node")
}
