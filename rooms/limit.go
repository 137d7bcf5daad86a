package rooms

// Rate is how many messages may come: PerSecond on average, and Burst at once. The zero Rate
// is the default of where it stands; a negative PerSecond is no limit.
type Rate struct {
	PerSecond float64
	Burst     int // default: PerSecond, and at least 1
}

// or returns the rate, or d where it is zero.
func (r Rate) or(d Rate) Rate {
	if r.PerSecond == 0 {
		r = d
	}
	if r.Burst <= 0 {
		r.Burst = max(1, int(r.PerSecond))
	}
	return r
}

// bucket holds what may still be sent, as a token bucket does. The zero bucket is full.
type bucket struct {
	spent float64 // of the burst
	at    int64   // when that was true
}

// take takes one out of it; false where nothing is left.
func (b *bucket) take(now int64, r Rate) bool {
	if r.PerSecond < 0 {
		return true
	}
	spent := max(0, b.spent-float64(now-b.at)/second*r.PerSecond)
	b.spent, b.at = spent, now
	if spent+1 > float64(r.Burst) {
		return false
	}
	b.spent++
	return true
}
