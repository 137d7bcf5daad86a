package observe

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lithair/lithair-go/wire"
)

// ContentType is that of the Prometheus text format 0.0.4.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Registry holds metrics.
type Registry struct {
	mu       sync.Mutex
	families map[string]*family
}

// family is all series of one name.
type family struct {
	name, help, kind string
	labels           []string
	mu               sync.Mutex
	series           map[string]renderer
}

type renderer interface {
	render(b []byte, name, labels string) []byte
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{families: map[string]*family{}} }

// family returns the family of that name, made if need be. A name used for two things
// is a mistake of the program: a panic that names it.
func (r *Registry) family(name, help, kind string, labels []string) *family {
	if !validName(name) {
		panic("observe: " + strconv.Quote(name) + " is no metric name")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.families[name]
	if f == nil {
		f = &family{name: name, help: help, kind: kind, labels: labels, series: map[string]renderer{}}
		r.families[name] = f
	}
	if f.kind != kind || !slices.Equal(f.labels, labels) {
		panic("observe: metric " + name + " is registered as two different things")
	}
	return f
}

func validName(s string) bool {
	for i, c := range []byte(s) {
		if c != '_' && c != ':' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// get returns the series with those label values, made by fresh if need be.
func (f *family) get(values []string, fresh func() renderer) renderer {
	if len(values) != len(f.labels) {
		panic(fmt.Sprintf("observe: metric %s has labels %v and got %d values", f.name, f.labels, len(values)))
	}
	key := labelText(f.labels, values)
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.series[key]
	if s == nil {
		s = fresh()
		f.series[key] = s
	}
	return s
}

func labelText(names, values []string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(n + `="` + labelEscaper.Replace(values[i]) + `"`)
	}
	return b.String()
}

var (
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// Counter is a number that only grows.
type Counter struct{ v atomic.Uint64 }

// Add adds n.
func (c *Counter) Add(n uint64) { c.v.Add(n) }

// Value returns the number.
func (c *Counter) Value() uint64 { return c.v.Load() }

func (c *Counter) render(b []byte, name, labels string) []byte {
	return strconv.AppendUint(series(b, name, labels), c.v.Load(), 10)
}

// Counter returns the counter of that name.
func (r *Registry) Counter(name, help string) *Counter {
	return r.family(name, help, "counter", nil).get(nil, func() renderer { return &Counter{} }).(*Counter)
}

// CounterVec is a counter with labels.
type CounterVec struct{ f *family }

// CounterVec returns the counter of that name with those labels.
func (r *Registry) CounterVec(name, help string, labels ...string) CounterVec {
	return CounterVec{r.family(name, help, "counter", labels)}
}

// With returns the counter with those label values. Label values must be few: a route,
// a model, a peer; never an id.
func (v CounterVec) With(values ...string) *Counter {
	return v.f.get(values, func() renderer { return &Counter{} }).(*Counter)
}

// Gauge is a number that goes up and down.
type Gauge struct{ bits atomic.Uint64 }

// Set sets the number.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

func (g *Gauge) render(b []byte, name, labels string) []byte {
	return appendFloat(series(b, name, labels), math.Float64frombits(g.bits.Load()))
}

// Gauge returns the gauge of that name with those labels, pairs of name and value.
func (r *Registry) Gauge(name, help string, labels ...[2]string) *Gauge {
	names, values := split(labels)
	return r.family(name, help, "gauge", names).get(values, func() renderer { return &Gauge{} }).(*Gauge)
}

// Func is a number that is asked for at each scrape.
type Func func() float64

func (fn Func) render(b []byte, name, labels string) []byte {
	return appendFloat(series(b, name, labels), fn())
}

// GaugeFunc registers a gauge that fn is asked for.
func (r *Registry) GaugeFunc(name, help string, fn func() float64, labels ...[2]string) {
	names, values := split(labels)
	r.family(name, help, "gauge", names).get(values, func() renderer { return Func(fn) })
}

// CounterFunc registers a counter that fn is asked for; it must not go down.
func (r *Registry) CounterFunc(name, help string, fn func() float64, labels ...[2]string) {
	names, values := split(labels)
	r.family(name, help, "counter", names).get(values, func() renderer { return Func(fn) })
}

func split(labels [][2]string) (names, values []string) {
	for _, l := range labels {
		names, values = append(names, l[0]), append(values, l[1])
	}
	return names, values
}

// RequestBuckets are the bounds, in seconds, that OpenTelemetry names for requests.
var RequestBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// Histogram counts observations in buckets.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds
	sum    atomic.Uint64   // bits of a float64
}

func newHistogram(bounds []float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(v float64) {
	h.counts[sort.SearchFloat64s(h.bounds, v)].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (h *Histogram) render(b []byte, name, labels string) []byte {
	total := uint64(0)
	prefix := labels
	if prefix != "" {
		prefix += ","
	}
	for i := range h.counts {
		total += h.counts[i].Load()
		le := "+Inf"
		if i < len(h.bounds) {
			le = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		b = strconv.AppendUint(series(b, name+"_bucket", prefix+`le="`+le+`"`), total, 10)
		b = append(b, '\n')
	}
	b = appendFloat(series(b, name+"_sum", labels), math.Float64frombits(h.sum.Load()))
	return strconv.AppendUint(series(append(b, '\n'), name+"_count", labels), total, 10)
}

// HistogramVec is a histogram with labels.
type HistogramVec struct {
	f      *family
	bounds []float64
}

// HistogramVec returns the histogram of that name with ascending bounds and those
// labels.
func (r *Registry) HistogramVec(name, help string, bounds []float64, labels ...string) HistogramVec {
	return HistogramVec{r.family(name, help, "histogram", labels), bounds}
}

// With returns the histogram with those label values.
func (v HistogramVec) With(values ...string) *Histogram {
	return v.f.get(values, func() renderer { return newHistogram(v.bounds) }).(*Histogram)
}

// series appends the front of a line, up to the value.
func series(b []byte, name, labels string) []byte {
	b = append(b, name...)
	if labels != "" {
		b = append(append(append(b, '{'), labels...), '}')
	}
	return append(b, ' ')
}

func appendFloat(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// Append appends all metrics in the text format, sorted by name and labels.
func (r *Registry) Append(b []byte) []byte {
	r.mu.Lock()
	families := make([]*family, 0, len(r.families))
	for _, f := range r.families {
		families = append(families, f)
	}
	r.mu.Unlock()
	slices.SortFunc(families, func(x, y *family) int { return strings.Compare(x.name, y.name) })
	for _, f := range families {
		b = f.append(b)
	}
	return b
}

func (f *family) append(b []byte) []byte {
	f.mu.Lock()
	keys := make([]string, 0, len(f.series))
	all := make(map[string]renderer, len(f.series))
	for k, s := range f.series {
		keys = append(keys, k)
		all[k] = s
	}
	f.mu.Unlock()
	slices.Sort(keys)
	b = append(b, "# HELP "+f.name+" "+helpEscaper.Replace(f.help)+"\n# TYPE "+f.name+" "+f.kind+"\n"...)
	for _, k := range keys {
		b = append(all[k].render(b, f.name, k), '\n')
	}
	return b
}

// Handler serves the metrics.
func (r *Registry) Handler() wire.Handler {
	return func(w *wire.Response, _ *wire.Request) error { return w.Send(200, ContentType, r.Append(nil)) }
}
