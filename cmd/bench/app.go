package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// appCase is one kind of work of the app comparison.
type appCase struct {
	name, what string
	conns      int      // 0: as -conns says
	rivals     []string // modes of the net/http server, the base of the ratios first
	writes     int      // of a hundred requests so many POST a new record, the others GET one
	rate       float64  // on a timetable; 0: as fast as answers come
}

var appCases = []appCase{
	{name: "get", what: "GET by id of one of the records", rivals: []string{"memory"}},
	{name: "post", what: "POST of a new record, durable before the answer", rivals: []string{"turns", "parallel"}, writes: 100},
	{name: "post1", what: "the same from one connection", conns: 1, rivals: []string{"turns"}, writes: 100},
	{name: "mix", what: "nine GETs to a durable POST", rivals: []string{"turns", "parallel"}, writes: 10, rate: 4000},
}

// rivalNames are the modes of the net/http server as tables call them.
var rivalNames = map[string]string{
	"memory":   "net/http+map+RWMutex+encoding/json",
	"turns":    "net/http, an fdatasync each, in turn",
	"parallel": "net/http, an fdatasync each, at once",
}

// appOptions are the flags of bench app.
type appOptions struct {
	options
	records int
	rate    float64
}

var appColumns = append([]column{
	{Name: "rate", Unit: "req/s", Ratio: true},
	{Name: "cpu_us", Unit: "server CPU µs/req", Low: true, Ratio: true},
	{Name: "client_us", Unit: "client CPU µs/req", Low: true},
	{Name: "rss_mb", Unit: "server MB", Low: true},
}, latencyColumns...)

// runApp measures this framework beside net/http in one run.
func runApp(args []string) error {
	fs := flag.NewFlagSet("bench app", flag.ExitOnError)
	var o appOptions
	cases := fs.String("case", "get,post,post1,mix", "what to measure")
	o.measuring(fs, 7, 64, time.Second)
	o.seeded(fs)
	o.onDisk(fs)
	fs.IntVar(&o.records, "records", 10_000, "records to read")
	fs.Float64Var(&o.rate, "rate", 0, "send so many requests a second on a timetable (latency then counts from the time due); 0: as fast as answers come, but for mix: 4000")
	parse(fs, args)
	if err := errors.Join(checkRate(o.rate, true), checkRecords(o.records)); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureApp(o, rep, strings.Split(*cases, ",")) })
}

// measureApp runs the named cases.
func measureApp(o appOptions, rep *report, cases []string) error {
	for _, name := range cases {
		c, err := findCase(name)
		if err != nil {
			return err
		}
		if c.conns == 0 {
			c.conns = o.clients
		}
		if o.rate > 0 {
			c.rate = o.rate
		}
		title := fmt.Sprintf("app %s: %s, %d connections%s", c.name, c.what, c.conns, atRate(c.rate))
		if err := c.run(o, rep, title); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func findCase(name string) (appCase, error) {
	for _, c := range appCases {
		if c.name == name {
			return c, nil
		}
	}
	return appCase{}, fmt.Errorf("no such case: %s (get, post, post1, mix)", name)
}

// run measures one case: all servers alive, taking turns; the first turn warms up.
func (c appCase) run(o appOptions, rep *report, title string) error {
	servers, err := c.start(o)
	for _, p := range servers {
		defer p.stop()
	}
	if err != nil {
		return err
	}
	us := servers[len(servers)-1]
	if c.writes < 100 { // the others have the records from the beginning
		if err := seed(us.addr, o.records); err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
	}
	before := busy(250 * time.Millisecond)
	all := map[string]samples{}
	ids := newIDs()
	for round := -1; round < o.rounds; round++ {
		for i := range servers {
			p := servers[(i+round+1)%len(servers)] // another one goes first each round
			m, err := p.under(c.load(o, p.addr, ids).run)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if all[p.name] == nil {
				all[p.name] = samples{}
			}
			if round >= 0 {
				all[p.name].add(m)
			}
		}
	}
	var names []string
	for _, p := range servers {
		names = append(names, p.name)
	}
	note := fmt.Sprintf("%d rounds of %v; others used %.0f%% of the machine before and %.0f%% after; %s", o.rounds, o.d, 100*before, 100*busy(250*time.Millisecond), pacing(c.rate))
	rep.add(title, note, names, all, appColumns)
	return nil
}

// start starts the servers of a case, ours last; on an error, those that did start.
func (c appCase) start(o appOptions) (servers []*process, err error) {
	for _, mode := range append(slices.Clone(c.rivals), "") {
		dir, err := os.MkdirTemp(o.dir, c.name)
		if err != nil {
			return servers, err
		}
		name, args := "lithair", []string{"serve", "-profile", "app", "-addr", "{addr}", "-data", dir}
		args = o.profiled(args, "app-"+c.name)
		if mode != "" {
			name, args = rivalNames[mode], []string{"rival", mode, "-addr", "{addr}", "-data", dir, "-records", fmt.Sprint(o.records)}
		}
		p, err := spawn(name, args...)
		if err != nil {
			return servers, err
		}
		servers = append(servers, p)
	}
	return servers, nil
}

func (c appCase) load(o appOptions, addr string, ids func() int) load {
	// Which requests write, and which records are read, follows from the seed, connection and number.
	chance := func(conn, i int) uint64 {
		return rand.NewPCG(o.seed, uint64(conn)<<32|uint64(i)).Uint64()
	}
	post := func(conn, i int) bool { return chance(conn, i)%100 < uint64(c.writes) }
	return load{addr: addr, conns: c.conns, d: o.d, rate: c.rate,
		make: func(dst []byte, conn, i int) []byte {
			if post(conn, i) {
				return appendPost(dst, ids())
			}
			return appendGet(dst, int(chance(conn, i)>>8%uint64(o.records)))
		},
		wants: func(conn, i int) int {
			if post(conn, i) {
				return 201
			}
			return 200
		},
	}
}

// seed makes the records 0 to n-1 through the server's own API.
func seed(addr string, n int) error {
	const conns = 64
	perConn := (n + conns - 1) / conns
	l := load{addr: addr, conns: conns, requests: perConn, want: 201,
		make: func(dst []byte, conn, i int) []byte {
			k := conn*perConn + i
			if k >= n { // the last connections have nothing left: records nobody reads
				k = 900_000_000 + k
			}
			return appendPost(dst, k)
		}}
	_, err := l.run()
	return err
}
