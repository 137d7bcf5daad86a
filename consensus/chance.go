package consensus

// chance is a small generator (SplitMix64), seeded by the caller, so that a run can be
// repeated. It spreads timeouts; nothing secret depends on it.
type chance uint64

func (c *chance) next() uint64 {
	*c += 0x9e3779b97f4a7c15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (c *chance) below(n int) int { return int(c.next() % uint64(n)) }
