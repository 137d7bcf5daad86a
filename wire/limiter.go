package wire

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// LimiterConfig says how much a [Limiter] lets through.
type LimiterConfig struct {
	Quota   int              // requests per window; required, at least 1
	Window  time.Duration    // default 1 min
	Burst   int              // requests that may come at once after a rest; default Quota
	MaxKeys int              // keys that are told apart, 16 bytes each; default 65,536
	Now     func() time.Time // default time.Now; must be safe for concurrent use
}

// Limiter is a token bucket per key: it holds up to Burst tokens, one more comes each
// Window/Quota, and a request takes one. A client at its limit is let through at the
// steady rate, not in waves at the turn of a window. Methods are safe for concurrent use
// and allocate nothing.
//
// Memory is fixed. Keys are kept as hashes with a seed of this limiter's own, and each
// bucket is one time: when it will be full again (the generic cell rate algorithm). Full
// buckets are the same as none, so they make room for others at no loss. When MaxKeys is
// not enough, the bucket that is nearest to being full is forgotten: under a flood of
// keys, a limit becomes more generous for a few and never stricter.
type Limiter struct {
	cfg      LimiterConfig
	seed     maphash.Seed
	start    time.Time
	interval int64 // ns in which a token comes
	depth    int64 // ns in which an empty bucket becomes full: interval * Burst
	mask     uint64
	shards   [limiterShards]limiterShard
}

const (
	limiterShards = 64
	limiterWays   = 8 // buckets that a key may be in: one of a row
)

type limiterShard struct {
	mu    sync.Mutex // protects slots
	slots []limiterSlot
	_     [32]byte // two shards do not share a cache line
}

// limiterSlot is one bucket. key 0: empty.
type limiterSlot struct {
	key  uint64
	full int64 // when the bucket is full again, in ns from the limiter's start
}

// Decision is what a limiter says about a request.
type Decision struct {
	OK         bool
	Remaining  int           // tokens left
	Reset      time.Duration // until the bucket is full again
	RetryAfter time.Duration // until the request would be let through; 0 when it was
}

// NewLimiter returns a limiter. The error names the field that is wrong.
func NewLimiter(cfg LimiterConfig) (*Limiter, error) {
	if cfg.Window == 0 {
		cfg.Window = time.Minute
	}
	if cfg.Burst == 0 {
		cfg.Burst = cfg.Quota
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = 65_536
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	const most = 1 << 30
	switch {
	case cfg.Quota < 1 || cfg.Quota > most:
		return nil, fmt.Errorf("wire: LimiterConfig.Quota: %d is not in 1 to %d", cfg.Quota, most)
	case cfg.Window < 0 || int64(cfg.Window) < int64(cfg.Quota):
		return nil, fmt.Errorf("wire: LimiterConfig.Window: %v is too short for %d requests", cfg.Window, cfg.Quota)
	case cfg.Burst < 1 || int64(cfg.Burst) > (1<<62)/(int64(cfg.Window)/int64(cfg.Quota)):
		return nil, fmt.Errorf("wire: LimiterConfig.Burst: %d is below 1 or takes centuries to fill", cfg.Burst)
	case cfg.MaxKeys < 1 || cfg.MaxKeys > most:
		return nil, fmt.Errorf("wire: LimiterConfig.MaxKeys: %d is not in 1 to %d", cfg.MaxKeys, most)
	}
	l := &Limiter{cfg: cfg, seed: maphash.MakeSeed(), start: cfg.Now(), interval: int64(cfg.Window) / int64(cfg.Quota)}
	l.depth = l.interval * int64(cfg.Burst)
	rows := 1
	for rows*limiterWays*limiterShards < cfg.MaxKeys {
		rows *= 2
	}
	l.mask = uint64(rows - 1)
	for i := range l.shards {
		l.shards[i].slots = make([]limiterSlot, rows*limiterWays)
	}
	return l, nil
}

// Take takes tokens, usually 1, from the bucket of a key, or none when there are not
// enough. 0 asks and takes nothing; more than Burst are never let through.
func (l *Limiter) Take(key string, tokens int) Decision {
	return l.take(maphash.String(l.seed, key), tokens)
}

func (l *Limiter) takeBytes(key []byte, tokens int) Decision {
	return l.take(maphash.Bytes(l.seed, key), tokens)
}

func (l *Limiter) take(h uint64, tokens int) (d Decision) {
	h = max(h, 1)
	now := int64(l.cfg.Now().Sub(l.start))
	shard := &l.shards[h>>58]
	row := int(h&l.mask) * limiterWays
	shard.mu.Lock()
	slot := pick(shard.slots[row:row+limiterWays], h)
	full := now
	if slot.key == h {
		full = min(max(slot.full, now), now+l.depth) // never further than an empty bucket's: a clock may have gone back
		slot.full = full
	}
	if d.OK = int64(tokens) <= (l.depth-(full-now))/l.interval; d.OK && tokens > 0 {
		full += int64(tokens) * l.interval
		*slot = limiterSlot{h, full}
	}
	shard.mu.Unlock()
	d.Remaining = int((l.depth - (full - now)) / l.interval)
	d.Reset = time.Duration(full - now)
	if !d.OK {
		d.RetryAfter = time.Duration(max(full+int64(min(tokens, l.cfg.Burst))*l.interval-now-l.depth, 1))
	}
	return d
}

// pick returns the slot of a key or, when it has none, the one to use for it: an empty one
// or else that which is full first.
func pick(row []limiterSlot, key uint64) *limiterSlot {
	best := &row[0]
	for i := range row {
		if row[i].key == key {
			return &row[i]
		}
		if best.key != 0 && (row[i].key == 0 || row[i].full < best.full) {
			best = &row[i]
		}
	}
	return best
}
