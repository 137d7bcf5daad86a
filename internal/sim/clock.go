package sim

import "time"

// epoch is when simulated time begins.
var epoch = time.Unix(1_800_000_000, 0)

// clock is a machine's: off by some time, and faster or slower than it should be.
type clock struct {
	w     *world
	skew  time.Duration
	drift float64       // seconds more, in each second
	slept time.Duration // while the machine was suspended
}

// read returns the time of day as the machine sees it.
func (c *clock) read() time.Time {
	return epoch.Add(c.w.now + c.skew + time.Duration(float64(c.w.now)*c.drift))
}

// uptime returns the time since the machine was made, sleep included.
func (c *clock) uptime() time.Duration { return time.Duration(float64(c.w.now) * (1 + c.drift)) }

// awake is uptime without what the machine has slept, as some clocks are.
func (c *clock) awake() time.Duration { return c.uptime() - c.slept }

// span returns how long it really takes until the machine's clock has moved on by d.
func (c *clock) span(d time.Duration) time.Duration {
	return time.Duration(float64(d) / (1 + c.drift))
}
