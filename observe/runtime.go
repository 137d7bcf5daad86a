package observe

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// Runtime registers figures of the Go runtime and of the process.
func Runtime(r *Registry) {
	start := float64(time.Now().UnixNano()) / 1e9
	r.GaugeFunc("process_start_time_seconds", "When the process started, in Unix seconds.", func() float64 { return start })
	r.GaugeFunc("go_info", "The Go version in use.", func() float64 { return 1 }, [2]string{"version", runtime.Version()})
	for _, m := range []struct{ name, help, sample, kind string }{
		{"go_goroutines", "Goroutines.", "/sched/goroutines:goroutines", "gauge"},
		{"go_heap_objects_bytes", "Bytes of live and not yet swept heap objects.", "/memory/classes/heap/objects:bytes", "gauge"},
		{"go_memory_total_bytes", "All memory mapped by the Go runtime.", "/memory/classes/total:bytes", "gauge"},
		{"go_memory_limit_bytes", "The memory limit in force (GOMEMLIMIT).", "/gc/gomemlimit:bytes", "gauge"},
		{"go_gc_cycles_total", "Completed garbage collections.", "/gc/cycles/total:gc-cycles", "counter"},
		{"go_alloc_bytes_total", "Bytes allocated on the heap since the start.", "/gc/heap/allocs:bytes", "counter"},
		{"go_allocs_total", "Objects allocated on the heap since the start.", "/gc/heap/allocs:objects", "counter"},
		{"process_cpu_seconds_total", "CPU time the Go runtime accounts for.", "/cpu/classes/user:cpu-seconds", "counter"},
	} {
		read := func() float64 { return sample(m.sample) }
		if m.kind == "counter" {
			r.CounterFunc(m.name, m.help, read)
		} else {
			r.GaugeFunc(m.name, m.help, read)
		}
	}
}

// sample reads one figure of the runtime; NaN when this version has none of that name.
func sample(name string) float64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	switch s[0].Value.Kind() {
	case metrics.KindUint64:
		return float64(s[0].Value.Uint64())
	case metrics.KindFloat64:
		return s[0].Value.Float64()
	}
	return math.NaN()
}
