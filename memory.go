package lithair

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/engine"
)

// Of a memory budget, this much may be in use by live objects before writes that would
// add to it are refused, and this much is the goal of the garbage collector. Between the
// two lie requests, buffers and garbage.
const (
	writesBelow = 0.75
	collectAt   = 0.90
	writesAgain = 0.95 // of writesBelow: writes are taken again below it
)

// memoryEvery is how often the memory in use is looked at.
const memoryEvery = 100 * time.Millisecond

// memory holds the application to its memory budget: all data lives in memory, so a
// process without one is killed by the system when that has no more.
type memory struct {
	budget int64 // bytes; 0: none
	live   atomic.Int64
	full   atomic.Bool
	before int64         // the collector's goal before; -1: left alone
	pace   int           // GOGC as it was set here; 0: left alone
	paced  int           // before that
	stop   chan struct{} // nil: not started
	ended  chan struct{}
}

// start begins to watch. The budget is that of the configuration, or else what the control
// group of the process allows. The collector's goal follows it, unless GOMEMLIMIT says
// otherwise.
func (m *memory) start(configured int64) {
	m.budget = configured
	if m.budget == 0 {
		m.budget = cgroupLimit("/proc/self/cgroup", "/sys/fs/cgroup")
	}
	m.before, m.stop, m.ended = -1, make(chan struct{}), make(chan struct{})
	if m.budget > 0 && os.Getenv("GOMEMLIMIT") == "" {
		m.before = debug.SetMemoryLimit(int64(collectAt * float64(m.budget)))
	}
	if m.pace = 0; os.Getenv("GOGC") == "" {
		m.pace = 100
		m.paced = debug.SetGCPercent(m.pace)
	}
	m.look()
	go m.watch()
}

// garbage may gather between two collections where less than that is alive: with the runtime's
// own rule a small application collects hundreds of times a second under load, to save a few
// megabytes.
const garbage = 64 << 20

// paceFor returns the GOGC with which that much may gather beside live bytes, or as much as is
// alive; a budget that is small gets an eighth of it.
func paceFor(live, budget int64) int {
	room := int64(garbage)
	if budget > 0 {
		room = min(room, budget/8)
	}
	return int(min(max(100*room/max(live, 1), 100), 800))
}

// setPace has the collector come as often as fits what is alive. Each change stops the
// world for a moment, so small ones are left out.
func (m *memory) setPace(live int64) {
	if m.pace == 0 || live == 0 {
		return
	}
	if want := paceFor(live, m.budget); want > m.pace+m.pace/4 || want < m.pace-m.pace/4 || want == 100 && m.pace != 100 {
		m.pace = want
		debug.SetGCPercent(want)
	}
}

func (m *memory) watch() {
	defer close(m.ended)
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.look()
		case <-m.stop:
			return
		}
	}
}

// look reads what the last garbage collection found alive. Near the budget there are
// collections enough, because the collector has a goal.
func (m *memory) look() {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return
	}
	live := int64(s[0].Value.Uint64())
	m.live.Store(live)
	m.setPace(live)
	limit := writesBelow * float64(m.budget)
	switch {
	case m.budget == 0:
	case float64(live) > limit:
		m.full.Store(true)
	case float64(live) < writesAgain*limit:
		m.full.Store(false)
	}
}

// room says whether writes may add to the state.
func (m *memory) room() error {
	if !m.full.Load() {
		return nil
	}
	return fmt.Errorf("%w: %d of %d bytes are in use by live data", engine.ErrNoRoom, m.live.Load(), m.budget)
}

// close ends the watch, and gives the collector its goal and pace back.
func (m *memory) close() {
	if m.stop == nil {
		return
	}
	close(m.stop)
	<-m.ended
	if m.stop = nil; m.before >= 0 {
		debug.SetMemoryLimit(m.before)
	}
	if m.pace > 0 {
		debug.SetGCPercent(m.paced)
	}
}

// cgroupLimit returns the memory limit of the process's control group, the smallest on
// the way up to the root; 0 when there is none. self is /proc/self/cgroup, mount where
// the hierarchies are mounted (version 2, or version 1 with a folder per controller).
func cgroupLimit(self, mount string) int64 {
	b, err := os.ReadFile(self)
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := mount, "memory.max"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case parts[1] == "memory":
			root, file = mount+"/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for path := strings.TrimRight(parts[2], "/"); ; path = path[:strings.LastIndexByte(path, '/')] {
			if n, ok := limitIn(root + path + "/" + file); ok {
				least = min(least, n)
			}
			if path == "" {
				break
			}
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// noLimit is what version 1 writes for none, rounded down to pages of up to 64 KiB.
const noLimit = math.MaxInt64 &^ (1<<16 - 1)

func limitIn(name string) (int64, bool) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is no number
	return n, err == nil && n > 0 && n < noLimit
}
