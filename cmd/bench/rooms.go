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

// roomOptions are the flags of bench rooms.
type roomOptions struct {
	options
	rooms, members int
	rate           float64
}

var roomColumns = append([]column{
	{Name: "sent", Unit: "messages/s"},
	{Name: "rate", Unit: "delivered/s"},
	{Name: "missing", Unit: "missing", Low: true},
	{Name: "cpu_ms", Unit: "server CPU ms/s", Low: true},
	{Name: "cpu_us", Unit: "server CPU µs/delivery", Low: true},
	{Name: "rss_mb", Unit: "server MB", Low: true},
}, latencyColumns...)

// runRooms measures rooms under messages on a timetable: how long after a message was due it has
// reached each member.
func runRooms(args []string) error {
	fs := flag.NewFlagSet("bench rooms", flag.ExitOnError)
	var o roomOptions
	o.measuring(fs, 3, 2000, 10*time.Second)
	o.seeded(fs)
	o.onDisk(fs)
	fs.IntVar(&o.rooms, "rooms", 1000, "rooms")
	fs.IntVar(&o.members, "members", 20, "members of each, each on another connection")
	fs.Float64Var(&o.rate, "rate", 500, "messages a second over all rooms, on a timetable")
	parse(fs, args)
	if o.rooms < 1 || o.members < 1 || o.members > o.clients {
		return errors.New("-rooms: more than 0; -members: from 1 to -clients")
	}
	if err := checkRate(o.rate, false); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureRooms(o, rep) })
}

func measureRooms(o roomOptions, rep *report) error {
	p, err := spawn("lithair", o.profiled([]string{"serve", "-profile", "app", "-addr", "{addr}", "-data", o.dir}, "rooms")...)
	if err != nil {
		return err
	}
	defer p.stop()
	all := &roomCrowd{o: o, p: p}
	defer all.close()
	if err := all.join(); err != nil {
		return err
	}
	title := fmt.Sprintf("rooms: %d of %d members each on %d connections, %v messages a second", o.rooms, o.members, o.clients, o.rate)
	return crowds(o.options, rep, title, "latency from the time a message was due to each member; all share the machine", roomColumns, []crowd{{"lithair", all.measure}})
}

// roomCrowd is the members: room r has those on the connections from r*members on, round and round.
type roomCrowd struct {
	o      roomOptions
	p      *process
	conns  []*ws.Conn
	joined atomic.Int64
	first  atomic.Pointer[error] // what went wrong first

	round uint64

	mu   sync.Mutex
	lats histogram
}

func (r *roomCrowd) close() {
	for _, c := range r.conns {
		c.CloseNow()
	}
}

func (r *roomCrowd) fail(err error) { r.first.CompareAndSwap(nil, &err) }

func (r *roomCrowd) failed() error {
	if err := r.first.Load(); err != nil {
		return *err
	}
	return nil
}

// conn is the connection of a room's member.
func (r *roomCrowd) conn(room, member int) *ws.Conn {
	return r.conns[(room*r.o.members+member)%len(r.conns)]
}

// join opens all connections and waits until every member is in its room.
func (r *roomCrowd) join() error {
	for range r.o.clients {
		c, err := ws.Dial(context.Background(), "ws://"+r.p.addr+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}, Compression: ws.Compression{Off: true}})
		if err != nil {
			return err
		}
		r.conns = append(r.conns, c)
		c.Handle(&ws.Handler{
			Message: func(_ *ws.Conn, _ ws.Opcode, data []byte) error { r.take(data); return nil },
			Close:   func(_ *ws.Conn, err error) { r.fail(fmt.Errorf("a connection ended: %w", err)) },
		})
	}
	for room := range r.o.rooms {
		for m := range r.o.members {
			if err := r.conn(room, m).Write(context.Background(), ws.Text, []byte(`{"op":"join","room":"bench/`+strconv.Itoa(room)+`"}`)); err != nil {
				return err
			}
		}
	}
	for want := int64(r.o.rooms * r.o.members); r.joined.Load() < want; time.Sleep(10 * time.Millisecond) {
		if err := r.failed(); err != nil {
			return err
		}
	}
	return nil
}

var (
	roomJoined  = []byte(`{"op":"joined"`)
	roomMessage = []byte(`{"op":"message"`)
	roomDue     = []byte(`"due":`)
)

// take counts a message that a member got: its data says when it was due.
func (r *roomCrowd) take(data []byte) {
	now := time.Now().UnixNano()
	switch {
	case bytes.HasPrefix(data, roomJoined):
		r.joined.Add(1)
	case bytes.HasPrefix(data, roomMessage):
		_, rest, _ := bytes.Cut(data, roomDue)
		digits, _, _ := bytes.Cut(rest, []byte(`}`))
		due, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			r.fail(fmt.Errorf("a message without its time: %s", data))
			return
		}
		r.mu.Lock()
		r.lats.add(now - due)
		r.mu.Unlock()
	case bytes.HasPrefix(data, liveError):
		r.fail(fmt.Errorf("%s", data))
	}
}

func (r *roomCrowd) got() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(r.lats.n)
}

func (r *roomCrowd) measure(d time.Duration) (figures, error) {
	r.mu.Lock()
	r.lats = histogram{}
	r.mu.Unlock()
	r.round++
	cpu, from := r.p.cpu(), time.Now()
	sent, err := r.talk(from, d)
	if err != nil {
		return nil, r.p.unless(err)
	}
	spoke := time.Since(from)
	want := sent * r.o.members
	for before := -1; r.got() < want && before != r.got(); { // until nothing more comes
		before = r.got()
		time.Sleep(500 * time.Millisecond)
	}
	if err := r.failed(); err != nil {
		return nil, err
	}
	took, spent := time.Since(from), r.p.cpu()-cpu
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lats.n == 0 {
		return nil, fmt.Errorf("nothing was delivered in %v", d)
	}
	n := float64(r.lats.n)
	m := figures{"sent": float64(sent) / spoke.Seconds(), "rate": n / took.Seconds(), "missing": float64(want) - n, "cpu_ms": float64(spent.Milliseconds()) / took.Seconds(),
		"cpu_us": float64(spent.Microseconds()) / n, "rss_mb": float64(r.p.rss()) / (1 << 20)}
	r.lats.into(m)
	return m, nil
}

// talk has a member of a random room speak whenever a message is due, and returns how many were sent.
func (r *roomCrowd) talk(from time.Time, d time.Duration) (sent int, err error) {
	rnd := rand.New(rand.NewPCG(r.o.seed, r.round))
	for {
		due := from.Add(time.Duration(float64(sent) / r.o.rate * float64(time.Second)))
		if due.Sub(from) >= d {
			return sent, r.failed()
		}
		time.Sleep(time.Until(due))
		room := rnd.IntN(r.o.rooms)
		text := fmt.Appendf(nil, `{"op":"send","room":"bench/%d","data":{"text":"a message as people write them","due":%d}}`, room, due.UnixNano())
		if err := r.conn(room, rnd.IntN(r.o.members)).Send(ws.Text, text); err != nil {
			return sent, err
		}
		sent++
	}
}
