package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// clusterCase is one kind of request, sent to one node that stands alone and to nodes of three.
type clusterCase struct {
	name, what, query string
	write             bool
}

var clusterCases = []clusterCase{
	{name: "post", what: "POST of a new record, durable on most nodes before the answer", write: true},
	{name: "get", what: "GET by id of what the node itself has", query: "?level=none"},
	{name: "linearizable", what: "GET by id, linearizable", query: "?level=linearizable"},
}

var clusterColumns = append([]column{
	{Name: "rate", Unit: "req/s", Ratio: true},
	{Name: "cpu_us", Unit: "CPU µs/req of all nodes", Low: true, Ratio: true},
	{Name: "client_us", Unit: "client CPU µs/req", Low: true},
}, latencyColumns...)

// clusterOptions are the flags of bench cluster.
type clusterOptions struct {
	options
	records int
	rate    float64
}

// runCluster measures the application on one node beside the same on three.
func runCluster(args []string) error {
	fs := flag.NewFlagSet("bench cluster", flag.ExitOnError)
	var o clusterOptions
	o.measuring(fs, 5, 64, time.Second)
	o.seeded(fs)
	o.onDisk(fs)
	fs.IntVar(&o.records, "records", 10_000, "records to read")
	cases := fs.String("case", "post,get,linearizable", "what to measure")
	fs.Float64Var(&o.rate, "rate", 0, "send so many requests a second on a timetable; 0: as fast as answers come")
	parse(fs, args)
	if err := errors.Join(checkRate(o.rate, true), checkRecords(o.records)); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureCluster(o, rep, strings.Split(*cases, ",")) })
}

// door is a node through which requests go, and whose CPU counts.
type door struct {
	name  string
	addr  string
	nodes []*process
}

func measureCluster(o clusterOptions, rep *report, cases []string) error {
	for _, name := range cases {
		if !knownCase(name) {
			return fmt.Errorf("no such case: %s (post, get, linearizable)", name)
		}
	}
	alone, err := spawn("one node", o.profiled([]string{"serve", "-profile", "app", "-addr", "{addr}", "-data", o.dir + "/alone"}, "cluster-alone")...)
	if err != nil {
		return err
	}
	defer alone.stop()
	three, err := spawnThree(o)
	for _, p := range three {
		defer p.stop()
	}
	if err != nil {
		return err
	}
	leader, err := awaitLeader(three)
	if err != nil {
		return err
	}
	follower := three[(leader+1)%len(three)]
	doors := []door{{"one node", alone.addr, []*process{alone}}, {"three, through the leader", three[leader].addr, three}, {"three, through a follower", follower.addr, three}}
	for _, d := range doors[:2] {
		if err := seed(d.addr, o.records); err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
	}
	settled := clusterCases[2].load(o, follower.addr, nil, 0)
	settled.requests, settled.rate = 1, 0
	if _, err := settled.run(); err != nil { // the follower has all records behind this
		return fmt.Errorf("reading through a follower: %w", err)
	}
	ids := newIDs()
	for _, c := range clusterCases {
		if !strings.Contains(","+strings.Join(cases, ",")+",", ","+c.name+",") {
			continue
		}
		var list []crowd
		for _, d := range doors {
			list = append(list, crowd{d.name, func(length time.Duration) (figures, error) {
				return d.under(c.load(o, d.addr, ids, length).run)
			}})
		}
		title := fmt.Sprintf("cluster %s: %s, %d connections%s", c.name, c.what, o.clients, atRate(o.rate))
		if err := crowds(o.options, rep, title, "three nodes and the client share this machine; "+pacing(o.rate), clusterColumns, list); err != nil {
			return err
		}
	}
	return nil
}

func knownCase(name string) bool {
	for _, c := range clusterCases {
		if c.name == name {
			return true
		}
	}
	return false
}

// spawnThree starts the nodes of a cluster; on an error it returns those that did start.
func spawnThree(o clusterOptions) (nodes []*process, err error) {
	var peers []string
	for i := range 3 {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, addr))
	}
	for i := range peers {
		name := fmt.Sprint("node", i+1)
		args := []string{"serve", "-profile", "app", "-addr", "{addr}", "-data", o.dir + "/" + name, "-node-id", fmt.Sprint(i + 1), "-peers", strings.Join(peers, ",")}
		p, err := spawn(name, o.profiled(args, "cluster-"+name)...)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, p)
	}
	return nodes, nil
}

// awaitLeader returns which of the nodes leads, when all of them know it.
func awaitLeader(nodes []*process) (at int, err error) {
	client, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		leads, knows := -1, 0
		for i, p := range nodes {
			var info struct {
				Leader uint64 `json:"leader_id"`
				Leads  bool   `json:"leader"`
			}
			if ask(client, p.addr, &info) != nil {
				continue // it has just been started
			}
			if info.Leader != 0 {
				knows++
			}
			if info.Leads {
				leads = i
			}
		}
		if leads >= 0 && knows == len(nodes) {
			return leads, nil
		}
	}
	return 0, errors.New("no node leads within 20 seconds")
}

func ask(client *wire.Client, addr string, info any) error {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	a, err := client.Do(ctx, &wire.ClientRequest{URL: "http://" + addr + "/info"})
	if err != nil {
		return err
	}
	body, err := a.ReadAll(0)
	if err = errors.Join(err, a.Close()); err != nil {
		return err
	}
	return jsonx.Unmarshal(body, info)
}

// under runs a load; cpu_us is what the nodes used for each request.
func (d door) under(run func() (figures, error)) (figures, error) {
	before := d.cpu()
	m, err := run()
	if err != nil {
		for _, p := range d.nodes {
			err = p.unless(err)
		}
		return nil, err
	}
	m["cpu_us"] = float64((d.cpu() - before).Nanoseconds()) / 1e3 / m["requests"]
	return m, nil
}

func (d door) cpu() (sum time.Duration) {
	for _, p := range d.nodes {
		sum += p.cpu()
	}
	return sum
}

func (c clusterCase) load(o clusterOptions, addr string, ids func() int, length time.Duration) load {
	l := load{addr: addr, conns: o.clients, d: length, rate: o.rate, want: 200}
	if c.write {
		l.want = 201
		l.make = func(dst []byte, _, _ int) []byte { return appendPost(dst, ids()) }
		return l
	}
	l.make = func(dst []byte, conn, i int) []byte {
		id := itemID(int(rand.NewPCG(o.seed, uint64(conn)<<32|uint64(i)).Uint64() % uint64(o.records)))
		return append(dst, "GET /items/"+id+c.query+" HTTP/1.1\r\nHost: bench\r\n\r\n"...)
	}
	return l
}
