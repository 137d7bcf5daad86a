package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/rooms"
	"github.com/lithair/lithair-go/ws"
)

var update = flag.Bool("update", false, "write what is counted to testdata/counters.txt")

const countersFile = "testdata/counters.txt"

// TestCounters holds what operations cost, in things that can be counted and are the same on every machine, against
// testdata/counters.txt: writes and syncs of the log, calls and bytes on connections, messages between nodes, allocations of
// cores. A change there is made on purpose, with -update. What is below a figure fails as well: it has to be written down.
// Pins of single functions stand with their packages.
func TestCounters(t *testing.T) {
	got := map[string]float64{}
	for _, count := range []func(t *testing.T, got map[string]float64){countLog, countWrites, countAnswers, countLive, countConsensus, countRooms} {
		count(t, got)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&text, "%s = %s\n", name, strconv.FormatFloat(got[name], 'f', -1, 64))
	}
	if *update {
		if err := os.WriteFile(countersFile, []byte(text.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	pinned, err := os.ReadFile(countersFile)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(pinned)) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), " = ")
		want[name] = v
	}
	for line := range strings.Lines(text.String()) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), " = ")
		if want[name] != v {
			t.Errorf("%s is %s, pinned is %q; -update if that is meant", name, v, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		if raceEnabled && strings.HasSuffix(name, ": allocations") {
			continue // the detector allocates by itself
		}
		t.Errorf("%s is pinned and not counted", name)
	}
	t.Logf("%d figures", len(got))
}

// countedFS counts what is done to segments of the log, but for durable marks: these come when nothing does for a while, and how long that
// is depends on the machine.
type countedFS struct {
	disk.FS
	writes, bytes, syncs *atomic.Int64
	marked               *atomic.Bool // the next sync is a mark's
}

func newCountedFS() countedFS {
	return countedFS{disk.NewSim(1), new(atomic.Int64), new(atomic.Int64), new(atomic.Int64), new(atomic.Bool)}
}

// isMark says whether a write to a segment is a durable mark, by its frame; see eventlog/SPEC.md.
func isMark(p []byte) bool {
	return len(p) >= 44 && binary.LittleEndian.Uint32(p) == 0x4C465242 && binary.LittleEndian.Uint32(p[40:]) == 2
}

func (c countedFS) Open(name string, how disk.Mode) (disk.File, error) {
	f, err := c.FS.Open(name, how)
	if err != nil || !strings.Contains(name, ".seg") || strings.Contains(name, "spare") { // a segment is made under a name of its own
		return f, err
	}
	return countedFile{f, c}, nil
}

type countedFile struct {
	disk.File
	fs countedFS
}

func (f countedFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.marked.Store(isMark(p)); !isMark(p) {
		f.fs.writes.Add(1)
		f.fs.bytes.Add(int64(len(p)))
	}
	return f.File.WriteAt(p, off)
}

func (f countedFile) Sync() error {
	if !f.fs.marked.Swap(false) {
		f.fs.syncs.Add(1)
	}
	return f.File.Sync()
}

// since notes what n operations have cost since the counters were reset, for each of them.
func (c countedFS) since(got map[string]float64, name string, n int) {
	if c.bytes.Load() == 0 {
		panic("nothing is counted: segments have other names")
	}
	got[name+": log writes"] = float64(c.writes.Load()) / float64(n)
	got[name+": log bytes"] = float64(c.bytes.Load()) / float64(n)
	got[name+": log syncs"] = float64(c.syncs.Load()) / float64(n)
}

func (c countedFS) reset() { c.writes.Store(0); c.bytes.Store(0); c.syncs.Store(0) }

// countLog appends records by themselves and in batches.
func countLog(t *testing.T, got map[string]float64) {
	fs := newCountedFS()
	l, err := eventlog.Open(eventlog.Config{Dir: "log", FS: fs, SegmentBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next := uint64(1)
	records := func(n int) (list []eventlog.Record) {
		for range n {
			list = append(list, eventlog.Record{Index: next, Kind: 1, Payload: make([]byte, 250)})
			next++
		}
		return list
	}
	for _, n := range []int{1, 64} {
		if err := l.Append(records(n)...); err != nil { // the first finds the file new
			t.Fatal(err)
		}
		fs.reset()
		for range 20 {
			if err := l.Append(records(n)...); err != nil {
				t.Fatal(err)
			}
		}
		fs.since(got, fmt.Sprintf("log: append of %d records of 250 bytes", n), 20)
	}
}

// countedApp is an application on a simulated disk with a clock that stands, whose connections are counted.
type countedApp struct {
	*lithair.App
	items  *lithair.Collection[Item]
	fs     countedFS
	writes atomic.Int64 // on connections
	bytes  atomic.Int64
}

type countedListener struct {
	net.Listener
	app *countedApp
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.app}, err
}

type countedConn struct {
	net.Conn
	app *countedApp
}

func (c countedConn) Write(p []byte) (int, error) {
	c.app.writes.Add(1)
	c.app.bytes.Add(int64(len(p)))
	return c.Conn.Write(p)
}

func newCountedApp(t *testing.T) *countedApp {
	a := &countedApp{fs: newCountedFS()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a.App = lithair.New(lithair.Config{Name: "counters", Dir: "data", FS: a.fs, LogLevel: "error", Listener: countedListener{l, a}, Clock: func() time.Time { return now }})
	a.items = lithair.Model[Item](a.App, "/items")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := a.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *countedApp) put(t *testing.T, n int, title string) {
	item := newItem(itemID(n))
	item.Title = title
	if err := a.Update(t.Context(), func(tx *lithair.Tx) error { return a.items.Upsert(tx, &item) }); err != nil {
		t.Fatal(err)
	}
}

// countWrites commits transactions one after the other: creations, changes of one field, and some that change many records.
func countWrites(t *testing.T, got map[string]float64) {
	a := newCountedApp(t)
	a.put(t, 0, "the first declares the model")
	a.fs.reset()
	for n := range 20 {
		a.put(t, 1+n, "created")
	}
	a.fs.since(got, "write: create a record of 250 bytes", 20)
	a.fs.reset()
	for n := range 20 {
		a.put(t, 1+n, "changed")
	}
	a.fs.since(got, "write: change a field of it", 20)
	a.fs.reset()
	err := a.Update(t.Context(), func(tx *lithair.Tx) error {
		for n := range 100 {
			item := newItem(itemID(1000 + n))
			if err := a.items.Insert(tx, &item); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.fs.since(got, "write: create 100 such records in one transaction", 1)
}

// countAnswers asks over one connection.
func countAnswers(t *testing.T, got map[string]float64) {
	a := newCountedApp(t)
	for n := range 10 {
		a.put(t, n, "An ordinary title")
	}
	nc, err := net.Dial("tcp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	in := bufio.NewReader(nc)
	for _, c := range []struct {
		name, send string
		answers    int
		status     int
	}{
		{"GET of a record of 250 bytes", string(appendGet(nil, 3)), 1, 200},
		{"16 of them, pipelined", strings.Repeat(string(appendGet(nil, 3)), 16), 16, 200},
		{"GET that finds it not modified", "GET /items/" + itemID(3) + " HTTP/1.1\r\nHost: bench\r\nIf-None-Match: *\r\n\r\n", 1, 304},
		{"GET of a list of 10 of them", "GET /items HTTP/1.1\r\nHost: bench\r\n\r\n", 1, 200},
		{"POST of one", string(appendPost(nil, 20)), 1, 201},
		{"POST of one that is there", string(appendPost(nil, 20)), 1, 409},
	} {
		a.writes.Store(0)
		a.bytes.Store(0)
		if _, err := nc.Write([]byte(c.send)); err != nil {
			t.Fatal(err)
		}
		for range c.answers {
			if status, err := answerOrEmpty(in); err != nil || status != c.status {
				t.Fatalf("%s: %d, %v", c.name, status, err)
			}
		}
		got["answer: "+c.name+": writes"] = float64(a.writes.Load())
		got["answer: "+c.name+": bytes"] = float64(a.bytes.Load())
	}
}

// answerOrEmpty is answer for a 304 as well, which has no content.
func answerOrEmpty(in *bufio.Reader) (int, error) {
	head, err := in.Peek(len("HTTP/1.1 304"))
	if err != nil || !bytes.HasSuffix(head, []byte("304")) {
		return answer(in)
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == "\r\n" {
			return 304, err
		}
	}
}

// countLive has 10 connections follow one query, and changes a record.
func countLive(t *testing.T, got map[string]float64) {
	a := newCountedApp(t)
	for n := range 10 {
		a.put(t, n, "An ordinary title")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []*ws.Conn
	read := func(c *ws.Conn, op string) {
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte(`"op":"`+op+`"`)) {
				return
			}
		}
	}
	for range 10 {
		c, err := ws.Dial(ctx, "ws://"+a.Addr()+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := c.Send(ws.Text, []byte(`{"op":"sub","id":1,"model":"Item","query":""}`)); err != nil {
			t.Fatal(err)
		}
		read(c, "snapshot")
		all = append(all, c)
	}
	a.writes.Store(0)
	a.bytes.Store(0)
	for k := range 5 {
		a.put(t, 3, fmt.Sprint("Another title ", k))
		for _, c := range all {
			read(c, "diff")
		}
	}
	got["live: change told to a connection: writes"] = float64(a.writes.Load()) / 50
	got["live: change told to a connection: bytes"] = float64(a.bytes.Load()) / 50
}

// noSnapshots is a consensus.Storage: everything stays in memory.
type noSnapshots struct{}

func (noSnapshots) Entries(uint64, uint64, int) ([]consensus.Entry, error) {
	return nil, consensus.ErrCompacted
}
func (noSnapshots) Snapshot() (consensus.Snapshot, bool) { return consensus.Snapshot{}, false }

// trio is three replicas whose messages travel and whose disks write in no time.
type trio struct {
	replicas               [3]*consensus.Replica
	messages, bytes, syncs int
	buf                    []byte
}

func (c *trio) settle(t *testing.T) {
	for busy := true; busy; {
		busy = false
		for _, r := range c.replicas {
			for r.HasReady() {
				busy = true
				rd, err := r.Ready()
				if err != nil {
					t.Fatal(err)
				}
				if rd.MustSync {
					c.syncs++
				}
				r.Persisted(rd.Number)
				for _, m := range rd.Messages {
					c.buf = consensus.AppendMessage(c.buf[:0], &m)
					c.messages++
					c.bytes += len(c.buf)
					if err := c.replicas[m.To-1].Step(m); err != nil {
						t.Fatal(err)
					}
				}
				for _, e := range rd.Committed {
					r.Applied(e.Index)
				}
			}
		}
	}
}

// countConsensus commits an entry on three replicas, again and again.
func countConsensus(t *testing.T, got map[string]float64) {
	members := consensus.Voters(1, 2, 3)
	c := &trio{}
	for i := range c.replicas {
		r, err := consensus.New(consensus.Config{ID: consensus.NodeID(i + 1), Storage: noSnapshots{}, Seed: uint64(i)}, consensus.Restart{Configs: []consensus.ConfigAt{{Membership: members}}})
		if err != nil {
			t.Fatal(err)
		}
		c.replicas[i] = r
	}
	c.replicas[0].Campaign()
	c.settle(t)
	data, at := make([]byte, 250), int64(0)
	commit := func() {
		at++
		if _, err := c.replicas[0].Propose(consensus.FirstKind, at, data); err != nil {
			t.Fatal(err)
		}
		c.settle(t)
	}
	for range 200 { // numbers have two bytes from here on
		commit()
	}
	c.messages, c.bytes, c.syncs = 0, 0, 0
	const n = 100
	for range n {
		commit()
	}
	got["consensus: entry of 250 bytes on 3 nodes: messages"] = float64(c.messages) / n
	got["consensus: entry of 250 bytes on 3 nodes: bytes of messages"] = float64(c.bytes) / n
	got["consensus: entry of 250 bytes on 3 nodes: writes to be synced"] = float64(c.syncs) / n
	if !raceEnabled {
		got["consensus: entry of 250 bytes on 3 nodes: allocations"] = testing.AllocsPerRun(200, commit)
	}
}

// threeRooms is rooms on three nodes whose messages travel in no time.
type threeRooms struct {
	nodes                                     [3]*rooms.Core
	frames, conns, bytes, messages, wireBytes int
	buf                                       []byte
}

func (c *threeRooms) settle() {
	for busy := true; busy; {
		busy = false
		for i, n := range c.nodes {
			out := n.Take()
			for _, f := range out.Frames {
				c.frames++
				c.conns += len(f.Conns)
				c.bytes += len(f.Data)
			}
			for _, e := range out.Messages {
				busy = true
				c.buf = rooms.AppendMessage(c.buf[:0], e.Message)
				c.messages++
				c.wireBytes += len(c.buf)
				c.nodes[e.To-1].Receive(1, rooms.NodeID(i+1), e.Message)
			}
		}
	}
}

// countRooms sends messages to a room with ten members on each of three nodes, by way of a node that does not own it.
func countRooms(t *testing.T, got map[string]float64) {
	much := rooms.Rate{PerSecond: 1e6, Burst: 1e6}
	opts := &rooms.Options{PerConn: much, PerRoom: much}
	c := &threeRooms{}
	ids := []rooms.NodeID{1, 2, 3}
	for i := range c.nodes {
		c.nodes[i] = rooms.NewCore(rooms.CoreConfig{Self: ids[i], Epoch: 5, Options: func(string) *rooms.Options { return opts }, PerUser: much})
	}
	for _, n := range c.nodes {
		n.Members(1, ids)
	}
	for range 3 { // all have a word of all
		c.settle()
		for _, n := range c.nodes {
			n.Tick(1)
		}
	}
	for i, n := range c.nodes {
		for k := range 10 {
			id := rooms.ConnID(100*i + k)
			n.Connect(1, id, fmt.Sprint("user", id))
			if err := n.Join(1, id, "room", "", nil); err != nil {
				t.Fatal(err)
			}
			c.settle()
		}
	}
	data := []byte(`{"text":"a message of some thirty bytes"}`)
	for sender := range c.nodes {
		*c = threeRooms{nodes: c.nodes, buf: c.buf}
		if err := c.nodes[sender].Send(1, rooms.ConnID(100*sender), "room", `1`, "", data); err != nil {
			t.Fatal(err)
		}
		c.settle()
		name := fmt.Sprintf("rooms: message of node %d to 30 members on 3 nodes: ", sender+1)
		got[name+"messages between nodes"] = float64(c.messages)
		got[name+"bytes between nodes"] = float64(c.wireBytes)
		got[name+"frames encoded"] = float64(c.frames)
		got[name+"frames to connections"] = float64(c.conns)
	}
}
