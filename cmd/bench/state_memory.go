package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Reading is a record without pointers, with one index.
type Reading struct {
	ID     model.ID `json:"id"`
	Device uint32   `json:"device" lithair:"indexed"`
	At     int64    `json:"made"`
	X      float64  `json:"x"`
	Y      float64  `json:"y"`
}

// Entity is a small record with text and one index.
type Entity struct {
	ID    model.ID `json:"id"`
	Group uint32   `json:"group" lithair:"indexed"`
	Name  string   `json:"name"`
	Text  string   `json:"text"`
}

// entityMaker makes records of about size bytes, key included, in the order of their keys
// or not.
type entityMaker struct {
	codec  *model.Codec
	schema *model.Schema
	text   string
	rec    []byte // the last one made
}

func newEntityMaker(size int) (*entityMaker, error) {
	m, err := model.Of(reflect.TypeFor[Entity]())
	if err != nil {
		return nil, err
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		return nil, err
	}
	s.Number = 1
	codec, err := m.Bind(s)
	if err != nil {
		return nil, err
	}
	e := &entityMaker{codec: codec, schema: s}
	key, rec, err := e.make(1 << 20)
	if err != nil {
		return nil, err
	}
	e.text = strings.Repeat("text ", size/5+1)[:max(0, size-len(key)-len(rec)-2)]
	return e, nil
}

func (e *entityMaker) make(i int) (key string, rec []byte, err error) {
	v := Entity{ID: scattered(i), Group: uint32(i % 1000), Name: "entity " + strconv.Itoa(i), Text: e.text}
	if key, err = e.codec.Key(&v); err != nil {
		return "", nil, err
	}
	e.rec, err = e.codec.Append(e.rec[:0], &v)
	return key, e.rec, err
}

// scattered is an id whose order has nothing to do with i.
func scattered(i int) (id model.ID) {
	x := uint64(i+1) * 0x9E3779B97F4A7C15
	for j := range 8 {
		id[j], id[8+j] = byte(x>>(8*j)), byte(i>>(8*(j%4)))
	}
	return id
}

// fill returns a state with n records.
func (e *entityMaker) fill(n int) (*state.Root, error) {
	b := state.Empty().Begin()
	if err := b.Apply(1, state.Event{Model: state.SchemaModel, Kind: state.Created, Key: state.SchemaKey(e.schema.Model), Fields: e.schema.Append(nil)}); err != nil {
		return nil, err
	}
	for i := range n {
		key, rec, err := e.make(i)
		if err != nil {
			return nil, err
		}
		if err := b.Apply(uint64(i+2), state.Event{Model: 1, Kind: state.Created, Key: key, Fields: rec}); err != nil {
			return nil, err
		}
		if i%1000 == 0 {
			b.Forget()
		}
	}
	return b.Seal(uint64(n+1), time.Now().UnixNano()), nil
}

var memoryColumns = []column{
	{Name: "raw_mb", Unit: "raw MB"},
	{Name: "heap_mb", Unit: "live heap MB", Low: true},
	{Name: "rss_mb", Unit: "resident MB", Low: true},
	{Name: "per_record", Unit: "resident bytes per record", Low: true},
	{Name: "times", Unit: "resident to raw", Low: true},
}

// measureMemory fills a state and looks at what the process has resident, less what it had
// before, when the garbage is gone.
func measureMemory(o stateOptions, rep *report) error {
	title := fmt.Sprintf("memory of %d entities with one index", o.records)
	all, names := map[string]samples{}, []string(nil)
	for _, size := range []int{100, 250} {
		for _, how := range []string{"written one by one", "restored from a snapshot"} {
			m, err := memoryOf(o.records, size, how != "written one by one")
			if err != nil {
				return err
			}
			name := fmt.Sprintf("%d bytes, %s", size, how)
			all[name], names = samples{}, append(names, name)
			all[name].add(m)
		}
	}
	rep.add(title, "key and record are the raw bytes; the peak while writing is that of the collector's goal", names, all, memoryColumns)
	return nil
}

func memoryOf(n, size int, restored bool) (figures, error) {
	e, err := newEntityMaker(size)
	if err != nil {
		return nil, err
	}
	heap, rss := settled()
	root, err := e.fill(n)
	if err != nil {
		return nil, err
	}
	raw := float64(root.Bytes(1))
	if restored {
		if root, err = throughFile(root); err != nil {
			return nil, err
		}
	}
	heapNow, rssNow := settled()
	runtime.KeepAlive(root)
	const mb = 1 << 20
	return figures{"raw_mb": raw / mb, "heap_mb": float64(heapNow-heap) / mb, "rss_mb": float64(rssNow-rss) / mb,
		"per_record": float64(rssNow-rss) / float64(n), "times": float64(rssNow-rss) / raw}, nil
}

// throughFile writes a snapshot to memory and reads it back.
func throughFile(root *state.Root) (*state.Root, error) {
	var b bytes.Buffer
	if err := root.WriteSnapshot(&b, nil); err != nil {
		return nil, err
	}
	back, _, err := state.ReadSnapshot(bytes.NewReader(b.Bytes()), int64(b.Len()), state.RestoreOptions{})
	return back, err
}

// settled returns heap and resident memory in bytes when the garbage is gone.
func settled() (heap, rss int64) {
	for range 2 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), residentOf("self")
}

// residentOf is the memory that a process has resident, in bytes; zero where the system
// does not say.
func residentOf(pid string) int64 {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// keyOf is the key of a reading.
func keyOf(id model.ID) string { return string(binenc.AppendKeyID(nil, id)) }
