package live

import (
	"context"
	"sort"
	"sync"

	"github.com/lithair/lithair-go/engine"
)

// tail is the newest blocks of the log, read and encoded once for all feeds: whoever comes first
// reads what is new, and the others find it here.
type tail struct {
	mu     sync.Mutex
	stream *engine.Stream
	blocks []*block // without gaps
	behind uint64   // the last sequence of them
	bytes  int      // of them
}

// tailBlocks and tailBytes are how many are kept, whichever is less.
const (
	tailBlocks = 512
	tailBytes  = 8 << 20
)

// next returns what comes behind a sequence; ok is false when the tail does not reach that far
// back.
func (t *tail) next(ctx context.Context, s *Server, behind uint64) (list []*block, ok bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stream == nil {
		if behind < s.cfg.Source.Root().Seq() {
			return nil, false, nil
		}
		if t.stream, err = s.cfg.Source.Stream(ctx, behind); err != nil {
			t.stream = nil
			return nil, false, err
		}
		t.blocks, t.behind, t.bytes = nil, behind, 0
	}
	if behind < t.behind {
		if len(t.blocks) == 0 || behind+1 < t.blocks[0].first {
			return nil, false, nil
		}
		i := sort.Search(len(t.blocks), func(i int) bool { return t.blocks[i].last > behind })
		return append([]*block(nil), t.blocks[i:min(i+16, len(t.blocks))]...), true, nil
	}
	if behind > t.behind { // it was not read for so long that others are ahead of it
		t.stream = nil
		return nil, false, nil
	}
	entries, err := t.stream.Next(feedBytes)
	if err != nil {
		t.stream = nil
		return nil, false, err
	}
	var past pastRows
	for i := range entries {
		b, err := s.block(&entries[i], &past)
		if err != nil {
			t.stream = nil
			return nil, false, err
		}
		t.blocks, t.behind = append(t.blocks, b), b.last
		t.bytes += b.bytes
		list = append(list, b)
	}
	n := 0
	for ; n < len(t.blocks) && (len(t.blocks)-n > tailBlocks || t.bytes > tailBytes); n++ {
		t.bytes -= t.blocks[n].bytes
	}
	if n > 0 {
		t.blocks = append([]*block(nil), t.blocks[n:]...)
	}
	return list, true, nil
}
