package observe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/wire"
)

// line is a sample of the text format 0.0.4.
var line = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*="(\\.|[^"\\])*"(,[a-zA-Z_][a-zA-Z0-9_]*="(\\.|[^"\\])*")*\})? (NaN|[+-]Inf|[-+0-9.e]+)$`)

func TestTextFormat(t *testing.T) {
	r := NewRegistry()
	r.Counter("a_total", "A help\nwith \\ a break.").Add(3)
	r.CounterVec("b_total", "B.", "route").With("GET /x/\"{id}\"\n").Add(1)
	r.Gauge("c", "C.", [2]string{"model", "Article"}).Set(-1.5)
	h := r.HistogramVec("d_seconds", "D.", []float64{.1, 1}, "route").With("/")
	for _, v := range []float64{.05, .1, .5, 7} {
		h.Observe(v)
	}
	Runtime(r)
	out := string(r.Append(nil))
	for _, l := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if !strings.HasPrefix(l, "# ") && !line.MatchString(l) {
			t.Errorf("not a sample: %q", l)
		}
	}
	for _, want := range []string{
		"# HELP a_total A help\\nwith \\\\ a break.\n# TYPE a_total counter\na_total 3\n",
		"b_total{route=\"GET /x/\\\"{id}\\\"\\n\"} 1\n", "c{model=\"Article\"} -1.5\n",
		"d_seconds_bucket{route=\"/\",le=\"0.1\"} 2\n", "d_seconds_bucket{route=\"/\",le=\"+Inf\"} 4\n", "d_seconds_sum{route=\"/\"} 7.65\n", "d_seconds_count{route=\"/\"} 4\n",
		"# TYPE go_goroutines gauge\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestOneNameIsOneThing(t *testing.T) {
	r := NewRegistry()
	r.Counter("x_total", "X.")
	for name, fn := range map[string]func(){
		"kind": func() { r.Gauge("x_total", "X.") }, "labels": func() { r.CounterVec("x_total", "X.", "l") }, "name": func() { r.Counter("x-y", "") },
		"values": func() { r.CounterVec("y_total", "Y.", "a").With("1", "2") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			fn()
		}()
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	r := NewRegistry()
	c, h := r.Counter("x_total", "X."), r.HistogramVec("h", "H.", RequestBuckets).With()
	if n := testing.AllocsPerRun(100, func() { c.Add(1); h.Observe(.2) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestHealth(t *testing.T) {
	var h Health
	broken := errors.New("no room")
	h.Add("fine", func() error { return nil })
	h.Add("disk", func() error { return broken })
	s, err := wire.NewServer(wire.Config{Handler: h.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	for _, c := range []struct {
		query  string
		status int
		body   string
	}{
		{"", 503, "{\"status\":\"unhealthy\"}\n"}, {"?verbose", 503, "[+]fine ok\n[-]disk failed: no room\nunhealthy\n"},
		{"?exclude=disk", 200, "{\"status\":\"healthy\"}\n"}, {"?exclude=disk&verbose", 200, "[+]fine ok\nhealthy\n"},
	} {
		resp, err := http.Get(fmt.Sprintf("http://%s/%s", l.Addr(), c.query))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || string(b) != c.body {
			t.Errorf("%s: %d %q, %v", c.query, resp.StatusCode, b, err)
		}
	}
}

func ExampleRegistry() {
	r := NewRegistry()
	r.CounterVec("orders_total", "Orders placed.", "country").With("nl").Add(2)
	fmt.Print(string(r.Append(nil)))
	// Output:
	// # HELP orders_total Orders placed.
	// # TYPE orders_total counter
	// orders_total{country="nl"} 2
}
