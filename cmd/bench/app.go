package main

import (
	"flag"
	"fmt"
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
	post       bool
}

var appCases = []appCase{
	{name: "get", what: "GET by id of one of the records", rivals: []string{"memory"}},
	{name: "post", what: "POST of a new record, durable before the answer", rivals: []string{"turns", "parallel"}, post: true},
	{name: "post1", what: "the same from one connection", conns: 1, rivals: []string{"turns"}, post: true},
}

// rivalNames are the modes of the net/http server as tables call them.
var rivalNames = map[string]string{
	"memory":   "net/http+map+RWMutex+encoding/json",
	"turns":    "net/http, an fdatasync each, in turn",
	"parallel": "net/http, an fdatasync each, at once",
}

// appOptions are the flags of bench app.
type appOptions struct {
	rounds, conns, records int
	d                      time.Duration
	rate                   float64
	dir                    string
}

var appColumns = []column{
	{name: "rate", head: "req/s", ratio: true},
	{name: "cpu_us", head: "server CPU µs/req", low: true, ratio: true},
	{name: "p50_us", head: "p50 µs"}, {name: "p99_us", head: "p99 µs"}, {name: "p999_us", head: "p99.9 µs"},
}

// runApp measures this framework beside net/http in one run.
func runApp(args []string) error {
	fs := flag.NewFlagSet("bench app", flag.ExitOnError)
	var o appOptions
	cases := fs.String("case", "get,post,post1", "what to measure")
	fs.IntVar(&o.rounds, "rounds", 7, "rounds; the median is reported")
	fs.DurationVar(&o.d, "d", time.Second, "length of one measurement")
	fs.IntVar(&o.conns, "conns", 64, "client connections")
	fs.IntVar(&o.records, "records", 10_000, "records to read")
	fs.Float64Var(&o.rate, "rate", 0, "send so many requests a second on a timetable (latency then counts from the time due); 0: as fast as answers come")
	fs.StringVar(&o.dir, "data", "", "folder for data, which decides the disk; default the temporary folder")
	asJSON := fs.Bool("json", false, "print one JSON document")
	parse(fs, args)
	rep, cols, err := measureApp(o, strings.Split(*cases, ","))
	if err != nil {
		return err
	}
	return rep.print(os.Stdout, *asJSON, cols)
}

// measureApp runs the named cases; the columns of each table are by its title.
func measureApp(o appOptions, cases []string) (*report, map[string][]column, error) {
	root, err := os.MkdirTemp(o.dir, "lithair-bench")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(root)
	o.dir = root
	rep, cols := newReport(), map[string][]column{}
	for _, name := range cases {
		c, err := findCase(name)
		if err != nil {
			return nil, nil, err
		}
		if c.conns == 0 {
			c.conns = o.conns
		}
		title := fmt.Sprintf("app %s: %s, %d connections", c.name, c.what, c.conns)
		if err := c.run(o, rep, title); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name, err)
		}
		cols[title] = appColumns
	}
	return rep, cols, nil
}

func findCase(name string) (appCase, error) {
	for _, c := range appCases {
		if c.name == name {
			return c, nil
		}
	}
	return appCase{}, fmt.Errorf("no such case: %s (get, post, post1)", name)
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
	if !c.post {
		if err := seed(us.addr, o.records); err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
	}
	before := busy(250 * time.Millisecond)
	all := map[string]samples{}
	next := 1_000_000_000 // ids of new records
	for round := -1; round < o.rounds; round++ {
		for i := range servers {
			p := servers[(i+round+1)%len(servers)] // another one goes first each round
			cpu := p.cpu()
			m, err := c.load(o, p.addr, next).run()
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			next += 100_000_000
			m["cpu_us"] = float64((p.cpu() - cpu).Microseconds()) / m["requests"]
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
	note := fmt.Sprintf("%d rounds of %v; others used %.0f%% of the machine before and %.0f%% after", o.rounds, o.d, 100*before, 100*busy(250*time.Millisecond))
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

func (c appCase) load(o appOptions, addr string, next int) load {
	l := load{addr: addr, conns: c.conns, d: o.d, rate: o.rate}
	if c.post {
		l.want = 201
		l.make = func(dst []byte, conn, i int) []byte { return appendPost(dst, next+conn*1_000_000+i) }
		return l
	}
	l.want = 200
	l.make = func(dst []byte, conn, i int) []byte {
		// A fixed walk over the records, another one for each connection.
		return appendGet(dst, (conn*7919+i*104_729)%o.records)
	}
	return l
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
