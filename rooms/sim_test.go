package rooms

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/jsonx"
)

// The simulation: nodes over a network that delays, reorders, doubles and loses messages, with partitions,
// crashes and clocks that are put back; clients that come, talk and go. While it is so, each client's view must
// be one that could be. Two seconds after it ends, all must be as it is.

const simStep = 10 * millisecond

type flight struct {
	at   int64
	from NodeID
	to   NodeID
	b    []byte
}

type simNode struct {
	id     NodeID
	core   *Core
	conns  []*simConn
	starts uint64
}

type simConn struct {
	id     ConnID
	node   *simNode
	user   string
	rooms  map[string]*simView // joined or asked for
	frames int
}

// simView is what a client knows of a room.
type simView struct {
	joined bool
	epoch  string
	n      uint64
	users  map[string]string
	got    map[string]bool
}

type sim struct {
	t       *testing.T
	seed    uint64
	rnd     *rand.Rand
	now     int64
	nodes   []*simNode
	ids     []NodeID
	flying  []flight
	parted  map[[2]NodeID]bool
	faults  bool
	nextID  ConnID
	sent    int
	opts    *Options
	order   map[string]string // room, epoch and n -> data
	counted map[string]int
	sure    map[string]bool // sent, answered with ok, and the node lives on
	split   bool            // there was a partition: what one side had ordered, the other may never see
	sentBy  map[*Core][]string
}

func newSim(t *testing.T, seed uint64, nodes int) *sim {
	s := &sim{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), now: 1e18, parted: map[[2]NodeID]bool{}, faults: true,
		opts: &Options{History: 5000, Presence: true}, order: map[string]string{}, counted: map[string]int{}, sure: map[string]bool{}, sentBy: map[*Core][]string{}}
	for i := range nodes {
		s.ids = append(s.ids, NodeID(i+1))
	}
	for _, id := range s.ids {
		n := &simNode{id: id}
		s.nodes = append(s.nodes, n)
		s.start(n)
	}
	return s
}

func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, %d ms: %s", s.seed, (s.now-1e18)/millisecond, fmt.Sprintf(format, args...))
}

// start starts a node, with a clock that may have been put back.
func (s *sim) start(n *simNode) {
	n.starts++
	epoch := uint64(s.now)
	if s.seed%5 == 0 && s.rnd.IntN(3) == 0 {
		epoch -= 3600 * second
	}
	n.core = NewCore(CoreConfig{Self: n.id, Epoch: epoch, PerUser: Rate{PerSecond: -1}, Options: func(room string) *Options {
		if strings.HasPrefix(room, "no") {
			return nil
		}
		return s.opts
	}})
	s.opts.PerConn, s.opts.PerRoom = Rate{PerSecond: -1}, Rate{PerSecond: -1}
	n.core.Members(s.now, s.ids)
}

func (s *sim) crash(n *simNode) {
	for _, m := range s.sentBy[n.core] {
		delete(s.sure, m)
	}
	n.core, n.conns = nil, nil
	for _, o := range s.nodes {
		if o.core != nil && s.rnd.IntN(2) == 0 {
			o.core.Lost(s.now, n.id)
		}
	}
}

// take carries out what a node wants done.
func (s *sim) take(n *simNode) {
	out := n.core.Take()
	for _, f := range out.Frames {
		for _, id := range f.Conns {
			if i := slices.IndexFunc(n.conns, func(x *simConn) bool { return x.id == id }); i >= 0 {
				s.show(n.conns[i], f.Data)
			}
		}
	}
	for _, e := range out.Messages {
		for i := range e.Message.Items {
			if y := &e.Message.Items[i]; y.N > 0 {
				s.order[fmt.Sprintf("%s %s %d", e.Message.Room, y.Order, y.N)] = strings.Trim(string(y.Data), `"`)
			}
		}
		s.post(flight{s.now, n.id, e.To, AppendMessage(nil, e.Message)})
	}
}

func (s *sim) post(f flight) {
	if s.parted[[2]NodeID{f.from, f.to}] {
		return
	}
	f.at += 1 * millisecond
	if s.faults {
		switch s.rnd.IntN(20) {
		case 0:
			return
		case 1:
			s.flying = append(s.flying, f)
		case 2:
			f.at += s.rnd.Int64N(600 * millisecond)
		}
		f.at += s.rnd.Int64N(30 * millisecond)
	}
	s.flying = append(s.flying, f)
}

// show has a client take a frame in, and checks that it could be.
func (s *sim) show(x *simConn, b []byte) {
	x.frames++
	v, err := jsonx.Parse(b)
	if err != nil {
		s.fail("not JSON: %v in %s", err, b)
	}
	get := func(v *jsonx.Value, name string) string {
		if m, ok := v.Get(name); ok && m.Kind() == jsonx.String {
			return m.Text()
		}
		return ""
	}
	num := func(v *jsonx.Value) (n uint64) {
		if m, ok := v.Get("n"); ok {
			fmt.Sscan(string(m.Number()), &n)
		}
		return n
	}
	op, view := get(&v, "op"), x.rooms[get(&v, "room")]
	s.counted[op]++
	switch op {
	case "ok":
		s.sure[get(&v, "ref")] = true
		return
	case "error":
		if get(&v, "code") != ErrUnavailable.Code {
			s.fail("an error: %s", b)
		}
		if get(&v, "id") == "" && view != nil && !view.joined { // the join, whose ref is a number
			delete(x.rooms, get(&v, "room"))
		}
		return
	}
	if view == nil {
		s.fail("connection %d gets a frame of a room that it is not in: %s", x.id, b)
	}
	switch op {
	case "joined":
		view.joined, view.epoch, view.n = true, get(&v, "epoch"), num(&v)
		h, _ := v.Get("history")
		for _, m := range h.Elements() {
			view.got[s.item(x, get(&v, "room"), m, get, num)] = true
		}
		if us, ok := v.Get("users"); ok {
			for _, u := range us.Elements() {
				view.users[get(u, "user")] = u.String()
			}
		}
	case "message":
		data := s.item(x, get(&v, "room"), &v, get, num)
		epoch, n := get(&v, "epoch"), num(&v)
		if view.got[data] && s.seed%5 > 0 { // with a clock that was put back, a message may come twice
			s.fail("connection %d sees %s twice: %s", x.id, data, b)
		}
		for i := view.n + 1; epoch == view.epoch && i < n; i++ {
			if place := fmt.Sprintf("%s %s %d", get(&v, "room"), epoch, i); !s.split && !view.got[s.order[place]] && s.sure[s.order[place]] {
				s.fail("connection %d has item %d of order %s and gets %d, without %q", x.id, view.n, epoch, n, s.order[place])
			}
		}
		view.got[data], view.epoch, view.n = true, epoch, n
	case "epoch":
		view.epoch, view.n = get(&v, "epoch"), num(&v)
	case "presence":
		for _, name := range []string{"enter", "update"} {
			if us, ok := v.Get(name); ok {
				for _, u := range us.Elements() {
					view.users[get(u, "user")] = u.String()
				}
			}
		}
		if us, ok := v.Get("leave"); ok {
			for _, u := range us.Elements() {
				delete(view.users, u.Text())
			}
		}
	default:
		s.fail("unknown frame %s", b)
	}
}

// item checks that a place in an order holds one item, whoever sees it.
func (s *sim) item(x *simConn, room string, v *jsonx.Value, get func(*jsonx.Value, string) string, num func(*jsonx.Value) uint64) string {
	data, place := get(v, "data"), fmt.Sprintf("%s %s %d", room, get(v, "epoch"), num(v))
	if data == "" || num(v) == 0 {
		s.fail("no data or number in %s", v.String())
	}
	if was, known := s.order[place]; known && was != data {
		s.fail("connection %d sees %s at %s, where others saw %s", x.id, data, place, was)
	}
	s.order[place] = data
	return data
}

func (s *sim) run(ns int64) {
	for end := s.now + ns; s.now < end; s.now += simStep {
		if s.faults {
			s.disturb()
			s.act()
		}
		slices.SortStableFunc(s.flying, func(a, b flight) int { return int(a.at - b.at) })
		for len(s.flying) > 0 && s.flying[0].at <= s.now {
			f := s.flying[0]
			s.flying = s.flying[1:]
			n := s.nodes[f.to-1]
			if n.core == nil {
				continue
			}
			m, err := DecodeMessage(f.b)
			if err != nil {
				s.fail("%v", err)
			}
			n.core.Receive(s.now, f.from, m)
			s.take(n)
			slices.SortStableFunc(s.flying, func(a, b flight) int { return int(a.at - b.at) })
		}
		for _, n := range s.nodes {
			if n.core != nil && s.now%(50*millisecond) == 0 {
				n.core.Tick(s.now)
				s.take(n)
			}
		}
	}
}

// disturb has nodes crash and start, and links break and heal.
func (s *sim) disturb() {
	switch s.rnd.IntN(120) {
	case 0:
		if n := s.nodes[s.rnd.IntN(len(s.nodes))]; n.core != nil {
			s.crash(n)
		} else {
			s.start(n)
		}
	case 1:
		if s.seed%2 == 0 {
			return
		}
		s.split = true
		a, b := s.ids[s.rnd.IntN(len(s.ids))], s.ids[s.rnd.IntN(len(s.ids))]
		s.parted[[2]NodeID{a, b}] = true // one way
		if s.rnd.IntN(2) == 0 {
			s.parted[[2]NodeID{b, a}] = true
		}
	case 2, 3:
		clear(s.parted)
	case 4:
		for _, n := range s.nodes {
			if n.core == nil {
				s.start(n)
			}
		}
	}
}

// act has one client do something.
func (s *sim) act() {
	if s.rnd.IntN(3) > 0 {
		return
	}
	n := s.nodes[s.rnd.IntN(len(s.nodes))]
	if n.core == nil {
		return
	}
	defer func() {
		if n.core != nil {
			s.take(n)
		}
	}()
	if len(n.conns) < 4 || s.rnd.IntN(20) == 0 && len(n.conns) < 8 {
		s.nextID++
		x := &simConn{id: s.nextID, node: n, user: fmt.Sprint("u", s.rnd.IntN(6)), rooms: map[string]*simView{}}
		n.conns = append(n.conns, x)
		n.core.Connect(s.now, x.id, x.user)
		return
	}
	at := s.rnd.IntN(len(n.conns))
	x, room := n.conns[at], fmt.Sprint("r", s.rnd.IntN(4))
	view := x.rooms[room]
	switch k := s.rnd.IntN(12); {
	case k == 0:
		n.conns = slices.Delete(n.conns, at, at+1)
		n.core.Disconnect(s.now, x.id)
	case view == nil:
		x.rooms[room] = &simView{users: map[string]string{}, got: map[string]bool{}}
		if err := n.core.Join(s.now, x.id, room, "1", []byte(`{"k":1}`)); err != nil {
			s.fail("join: %v", err)
		}
	case k == 1:
		delete(x.rooms, room)
		if err := n.core.Leave(s.now, x.id, room); err != nil {
			s.fail("leave: %v", err)
		}
	case k == 2:
		if err := n.core.Update(s.now, x.id, room, fmt.Appendf(nil, `{"k":%d}`, s.rnd.IntN(9))); err != nil {
			s.fail("update: %v", err)
		}
	default:
		s.sent++
		m := fmt.Sprint("m", s.sent)
		s.sentBy[n.core] = append(s.sentBy[n.core], m)
		if err := n.core.Send(s.now, x.id, room, strconv.Quote(m), "", []byte(strconv.Quote(m))); err != nil && err != ErrBusy {
			s.fail("send: %v", err)
		}
	}
}

// calm ends all faults; nodes that are down start.
func (s *sim) calm() {
	s.faults = false
	clear(s.parted)
	for _, n := range s.nodes {
		if n.core == nil && s.rnd.IntN(2) == 0 {
			s.start(n)
		}
	}
}

// settled checks that everybody knows who is there, and nobody else.
func (s *sim) settled() {
	truth := map[string]map[string]int{}
	for _, n := range s.nodes {
		for _, x := range n.conns {
			for room := range x.rooms {
				if truth[room] == nil {
					truth[room] = map[string]int{}
				}
				truth[room][x.user]++
			}
		}
	}
	for _, n := range s.nodes {
		if n.core == nil {
			continue
		}
		for r := range 4 {
			room := fmt.Sprint("r", r)
			got := map[string]int{}
			list, _ := n.core.List(room, "", 1000)
			for _, u := range list {
				got[u.User] = len(u.Conns)
			}
			if !maps.Equal(got, truth[room]) && len(got)+len(truth[room]) > 0 {
				s.fail("node %d has in %s %v, there are %v", n.id, room, got, truth[room])
			}
			for _, x := range n.conns {
				view := x.rooms[room]
				if view == nil {
					continue
				}
				if !view.joined {
					s.fail("connection %d on node %d never joined %s", x.id, n.id, room)
				}
				want := map[string]string{}
				for i := range list {
					want[list[i].User] = string(list[i].AppendJSON(nil))
				}
				if !maps.Equal(view.users, want) {
					s.fail("connection %d on node %d has in %s %v, there are %v", x.id, n.id, room, view.users, want)
				}
			}
		}
	}
}

// speak has each connection send a message to each of its rooms, which all members must get.
func (s *sim) speak() {
	want := map[string][]string{}
	for _, n := range s.nodes {
		for _, x := range n.conns {
			for _, room := range slices.Sorted(maps.Keys(x.rooms)) {
				s.sent++
				m := fmt.Sprint("m", s.sent)
				if err := n.core.Send(s.now, x.id, room, "3", "", fmt.Appendf(nil, "%q", m)); err != nil {
					s.fail("send: %v", err)
				}
				want[room] = append(want[room], m)
				s.take(n)
			}
		}
	}
	s.run(500 * millisecond)
	epochs := map[string]string{}
	for _, n := range s.nodes {
		for _, x := range n.conns {
			for room, view := range x.rooms {
				for _, m := range want[room] {
					if !view.got[m] {
						s.fail("connection %d on node %d did not get %s in %s", x.id, n.id, m, room)
					}
				}
				place := fmt.Sprint(view.epoch, " ", view.n)
				if was, known := epochs[room]; known && was != place {
					s.fail("%s stands at %s for one and at %s for another", room, was, place)
				}
				epochs[room] = place
			}
		}
	}
}

func TestSimulation(t *testing.T) {
	seeds := 150
	if os.Getenv("LITHAIR_LONG") != "" {
		seeds = 10_000
	}
	total, crashes := map[string]int{}, 0
	for seed := range seeds {
		s := newSim(t, uint64(seed), 1+seed%4)
		s.run(10 * second)
		s.calm()
		s.run(2 * second)
		s.settled()
		s.speak()
		for op, n := range s.counted {
			total[op] += n
		}
		for _, n := range s.nodes {
			crashes += int(n.starts) - 1
		}
	}
	t.Logf("%d seeds, %d restarts, frames: %v", seeds, crashes, total)
	for _, op := range []string{"joined", "message", "epoch", "presence", "ok"} {
		if total[op] == 0 {
			t.Errorf("no %s frame was ever sent", op)
		}
	}
}
