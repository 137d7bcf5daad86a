package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/ws"
)

// liveOptions are the flags of bench live.
type liveOptions struct {
	options
	queries, fanout, records int
	rate                     float64
}

var liveColumns = append([]column{
	{Name: "writes", Unit: "writes/s"},
	{Name: "rate", Unit: "changes told/s"},
	{Name: "cpu_ms", Unit: "server CPU ms/s", Low: true},
	{Name: "cpu_us", Unit: "server CPU µs/change", Low: true},
	{Name: "rss_mb", Unit: "server MB", Low: true},
}, latencyColumns...)

// runLive measures live queries under writes on a timetable: how long after a write was due its
// change has reached a subscriber.
func runLive(args []string) error {
	fs := flag.NewFlagSet("bench live", flag.ExitOnError)
	var o liveOptions
	o.measuring(fs, 3, 200, 10*time.Second)
	o.seeded(fs)
	o.onDisk(fs)
	fs.IntVar(&o.queries, "queries", 10_000, "live queries, over all connections")
	fs.IntVar(&o.fanout, "fanout", 10, "queries that a value leads to: a write enters so many, and leaves so many")
	fs.IntVar(&o.records, "records", 10_000, "records that are written to")
	fs.Float64Var(&o.rate, "rate", 1000, "writes a second, on a timetable")
	parse(fs, args)
	if o.queries < o.clients || o.fanout < 1 || o.fanout > o.queries {
		return fmt.Errorf("-queries: at least one for each client; -fanout: from 1 to -queries")
	}
	if err := errors.Join(checkRate(o.rate, false), checkRecords(o.records)); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureLive(o, rep) })
}

func measureLive(o liveOptions, rep *report) error {
	p, err := spawn("lithair", o.profiled([]string{"serve", "-profile", "app", "-addr", "{addr}", "-data", o.dir}, "live")...)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := seed(p.addr, o.records); err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	subscribers := &liveCrowd{o: o, p: p}
	defer subscribers.close()
	if err := subscribers.subscribe(); err != nil {
		return err
	}
	title := fmt.Sprintf("live: %d queries on %d connections, %v writes a second of %d records, each entering and leaving %d queries",
		o.queries, o.clients, o.rate, o.records, o.fanout)
	return crowds(o.options, rep, title, "latency from the time a write was due to the change at its subscriber; all share the machine", liveColumns,
		[]crowd{{"lithair", subscribers.measure}})
}

// liveCrowd is the subscribers.
type liveCrowd struct {
	o     liveOptions
	p     *process
	conns []*ws.Conn
	ready sync.WaitGroup
	first atomic.Pointer[error] // what went wrong first

	round uint64 // each writes something else

	mu   sync.Mutex
	lats histogram
}

func (l *liveCrowd) close() {
	for _, c := range l.conns {
		c.CloseNow()
	}
}

func (l *liveCrowd) fail(err error) { l.first.CompareAndSwap(nil, &err) }

// subscribe opens all connections and waits until each query has its snapshot.
func (l *liveCrowd) subscribe() error {
	values := l.o.queries / l.o.fanout
	l.ready.Add(l.o.queries)
	for c := range l.o.clients {
		conn, err := ws.Dial(context.Background(), "ws://"+l.p.addr+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}, Compression: ws.Compression{Off: true}})
		if err != nil {
			return err
		}
		l.conns = append(l.conns, conn)
		conn.Handle(&ws.Handler{
			Message: func(_ *ws.Conn, _ ws.Opcode, data []byte) error { l.take(data); return nil },
			Close:   func(_ *ws.Conn, err error) { l.fail(fmt.Errorf("a connection ended: %w", err)) },
		})
		for q := c; q < l.o.queries; q += l.o.clients {
			text := fmt.Sprintf(`{"op":"sub","id":%d,"model":"Item","query":"count=%d"}`, q, q%values)
			if err := conn.Write(context.Background(), ws.Text, []byte(text)); err != nil {
				return err
			}
		}
	}
	done := make(chan struct{})
	go func() { l.ready.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return nil
		case <-time.After(100 * time.Millisecond):
			if err := l.first.Load(); err != nil {
				return *err
			}
		}
	}
}

var (
	liveEnter    = []byte(`"t":"enter"`)
	liveTitle    = []byte(`"title":"due `)
	liveSnapshot = []byte(`{"op":"snapshot"`)
	liveError    = []byte(`{"op":"error"`)
)

// take counts the rows that enter a query: their title says when their write was due.
func (l *liveCrowd) take(data []byte) {
	now := time.Now().UnixNano()
	switch {
	case bytes.HasPrefix(data, liveSnapshot):
		if !bytes.Contains(data, []byte(`"more":true`)) {
			l.ready.Done()
		}
		return
	case bytes.HasPrefix(data, liveError):
		l.fail(fmt.Errorf("%s", data))
		return
	}
	for {
		_, rest, ok := bytes.Cut(data, liveEnter)
		if !ok {
			return
		}
		if _, rest, ok = bytes.Cut(rest, liveTitle); !ok {
			return
		}
		digits, _, _ := bytes.Cut(rest, []byte(`"`))
		if due, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
			l.mu.Lock()
			l.lats.add(now - due)
			l.mu.Unlock()
		}
		data = rest
	}
}

// liveWriters is how many connections write; each has one request under way.
const liveWriters = 64

func (l *liveCrowd) measure(d time.Duration) (figures, error) {
	l.mu.Lock()
	l.lats = histogram{}
	l.mu.Unlock()
	l.round++
	values, cpu, from := l.o.queries/l.o.fanout, l.p.cpu(), time.Now()
	written, err := eachConnection(liveWriters, d, func(c int, begin, end time.Time, lats *histogram) error {
		rnd := rand.New(rand.NewPCG(l.o.seed, l.round<<32|uint64(c)))
		w := load{addr: l.p.addr, conns: liveWriters, d: d, rate: l.o.rate, want: 200}
		w.make = func(dst []byte, c, i int) []byte {
			return appendLivePut(dst, rnd.IntN(l.o.records), due(begin, l.o.rate, liveWriters, c, i).UnixNano(), rnd.IntN(values))
		}
		return w.connection(c, begin, end, lats)
	})
	if err != nil {
		return nil, l.p.unless(err)
	}
	if err := l.settle(); err != nil {
		return nil, err
	}
	took := time.Since(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lats.n == 0 {
		return nil, fmt.Errorf("no change was told in %v", d)
	}
	spent := l.p.cpu() - cpu
	m := figures{"writes": written["rate"], "rate": float64(l.lats.n) / took.Seconds(), "cpu_ms": float64(spent.Milliseconds()) / took.Seconds(),
		"cpu_us": float64(spent.Microseconds()) / float64(l.lats.n), "rss_mb": float64(l.p.rss()) / (1 << 20)}
	l.lats.into(m)
	return m, nil
}

// settle waits until nothing more comes, so that what is late is counted, too.
func (l *liveCrowd) settle() error {
	count := func() int64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return int64(l.lats.n)
	}
	for before := int64(-1); before != count(); {
		before = count()
		time.Sleep(200 * time.Millisecond)
	}
	if err := l.first.Load(); err != nil {
		return *err
	}
	return nil
}

// appendLivePut appends the request that writes item n with a time and a value.
func appendLivePut(dst []byte, n int, due int64, value int) []byte {
	doc := `{"id":"` + itemID(n) + `","title":"due ` + strconv.FormatInt(due, 10) + `","body":"` + itemBody + `","count":` + strconv.Itoa(value) + `}`
	dst = append(dst, "PUT /items/"+itemID(n)+" HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(doc)), 10)
	return append(append(dst, "\r\n\r\n"...), doc...)
}
