package rooms

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// alone returns a core without peers, and connections 1 to n of users u1 to un.
func alone(opts *Options, n int) *Core {
	c := NewCore(CoreConfig{Self: 1, Epoch: 5, Options: func(room string) *Options {
		if strings.HasPrefix(room, "no") {
			return nil
		}
		return opts
	}})
	for i := range n {
		c.Connect(1, ConnID(i+1), fmt.Sprint("u", i+1))
	}
	return c
}

// frames returns what connections get, as "id: frame".
func frames(c *Core) (list []string) {
	for _, f := range c.Take().Frames {
		for _, id := range f.Conns {
			list = append(list, fmt.Sprintf("%d: %s", id, f.Data))
		}
	}
	return list
}

func TestFrames(t *testing.T) {
	c := alone(&Options{History: 2, Presence: true}, 2)
	steps := []struct {
		do   func() *Error
		want []string
	}{
		{func() *Error { return c.Join(1, 1, "a", `"r1"`, []byte(`{"x":1}`)) }, []string{
			`1: {"op":"joined","room":"a","ref":"r1","epoch":"6-1","n":0,"conn":"1-1","history":[],"users":[{"user":"u1","conns":[{"conn":"1-1","since":0,"meta":{"x":1}}]}]}`}},
		{func() *Error { return c.Send(2e6, 1, "a", "7", "", []byte(`{"t":"hi"}`)) }, []string{
			`1: {"op":"message","room":"a","epoch":"6-1","n":1,"from":"u1","conn":"1-1","at":2,"data":{"t":"hi"}}`,
			`1: {"op":"ok","ref":7,"epoch":"6-1","n":1}`}},
		{func() *Error { return c.Join(3e6, 2, "a", "", nil) }, []string{
			`2: {"op":"joined","room":"a","epoch":"6-1","n":1,"conn":"1-2","history":[{"epoch":"6-1","n":1,"from":"u1","conn":"1-1","at":2,"data":{"t":"hi"}}],` +
				`"users":[{"user":"u1","conns":[{"conn":"1-1","since":0,"meta":{"x":1}}]},{"user":"u2","conns":[{"conn":"1-2","since":3}]}]}`}},
		{func() *Error { c.Tick(4e6); return nil }, []string{
			`1: {"op":"presence","room":"a","enter":[{"user":"u1","conns":[{"conn":"1-1","since":0,"meta":{"x":1}}]},{"user":"u2","conns":[{"conn":"1-2","since":3}]}]}`,
			`2: {"op":"presence","room":"a","enter":[{"user":"u1","conns":[{"conn":"1-1","since":0,"meta":{"x":1}}]},{"user":"u2","conns":[{"conn":"1-2","since":3}]}]}`}},
		{func() *Error { return c.Send(5e6, 1, "a", "8", "u2", []byte(`1`)) }, []string{
			`2: {"op":"direct","room":"a","from":"u1","conn":"1-1","at":5,"data":1}`, `1: {"op":"ok","ref":8}`}},
		{func() *Error { return c.Leave(6e6, 2, "a") }, nil},
		{func() *Error { c.Tick(7e6); return nil }, []string{`1: {"op":"presence","room":"a","leave":["u2"]}`}},
		{func() *Error { return c.Publish(8e6, "a", "", []byte(`"news"`)) }, []string{
			`1: {"op":"message","room":"a","epoch":"6-1","n":2,"at":8,"data":"news"}`}},
	}
	for i, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if got := frames(c); !reflect.DeepEqual(got, s.want) {
			t.Fatalf("step %d: got\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(s.want, "\n"))
		}
	}
}

func TestRefusals(t *testing.T) {
	c := alone(&Options{MaxMembers: 2, MaxBytes: 10, PerConn: Rate{10, 2}, Presence: true}, 4)
	c.cfg.MaxRooms, c.cfg.MaxJoined = 3, 2
	join := func(id ConnID, room string) *Error { return c.Join(1, id, room, "", nil) }
	send := func(to string, n int) *Error {
		return c.Send(1, 1, "a", "", to, bytes.Repeat([]byte("1"), n))
	}
	cases := []struct {
		name string
		got  *Error
		want *Error
	}{
		{"unknown", join(1, "nowhere"), ErrUnknownRoom},
		{"no name", join(1, ""), ErrUnknownRoom},
		{"long name", join(1, strings.Repeat("x", 201)), ErrUnknownRoom},
		{"name of the greatest length", join(4, strings.Repeat("x", 200)), nil},
		{"first", join(1, "a"), nil},
		{"twice", join(1, "a"), ErrJoined},
		{"second", join(2, "a"), nil},
		{"third", join(3, "a"), ErrRoomFull},
		{"one more room", join(1, "b"), nil},
		{"too many rooms of a connection", join(1, strings.Repeat("x", 200)), ErrJoins},
		{"too many rooms", join(2, "c"), ErrRooms},
		{"large", send("", 11), ErrTooLarge},
		{"not there", send("u9", 1), ErrNotPresent},
		{"second of the burst", send("u2", 1), nil},
		{"third", send("", 1), ErrRate},
		{"not joined", c.Send(1, 3, "a", "", "", nil), ErrNotJoined},
		{"leave what was not joined", c.Leave(1, 3, "a"), ErrNotJoined},
		{"a tenth of a second later", c.Send(1+second/10, 1, "a", "", "", []byte("1")), nil},
		{"and no more", c.Send(1+second/10, 1, "a", "", "", []byte("1")), ErrRate},
	}
	for _, x := range cases {
		if x.got != x.want {
			t.Errorf("%s: %v, want %v", x.name, x.got, x.want)
		}
	}
	for i := range 4 {
		c.Disconnect(2, ConnID(i+1))
	}
	if s := c.Stats(); s.Rooms != 0 || s.Conns != 0 || len(c.users) != 0 {
		t.Errorf("when all have gone there are still %+v", s)
	}
}

func TestHistoryEnds(t *testing.T) {
	c := alone(&Options{History: 1}, 1)
	for i := range 3 {
		room := fmt.Sprint("r", i)
		c.Join(1, 1, room, "", nil)
		c.Send(1, 1, room, "", "", []byte("1"))
		c.Leave(1, 1, room)
	}
	c.Tick(599 * second)
	if n := c.Stats().Rooms; n != 3 {
		t.Fatalf("%d rooms keep their history, want 3", n)
	}
	c.cfg.MaxRooms = 3
	if err := c.Join(602*second, 1, "r3", "", nil); err != nil {
		t.Fatalf("a room that nobody is in keeps another from being made: %v", err)
	}
	c.Leave(602*second, 1, "r3")
	if n := c.Stats().Rooms; n != 0 {
		t.Errorf("%d rooms after they gave way", n)
	}
}

func TestListInPages(t *testing.T) {
	c := alone(&Options{Presence: true}, 250)
	for i := range 250 {
		c.Join(1, ConnID(i+1), "a", "", nil)
	}
	seen, after := 0, ""
	for more := true; more; {
		var list []User
		list, more = c.List("a", after, 100)
		for _, u := range list {
			if u.User <= after {
				t.Fatalf("%s comes behind %s", u.User, after)
			}
			after = u.User
			seen++
		}
	}
	if seen != 250 || c.Count("a") != 250 {
		t.Errorf("the pages have %d users, %d are there", seen, c.Count("a"))
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(AppendMessage(nil, &Message{Kind: KindBeat, Epoch: 1, Link: 2}))
	f.Add(AppendMessage(nil, &Message{Kind: KindDeliver, Room: "a", Items: []Item{{N: 1, Order: Order{2, 3}, Time: -1, Data: []byte("1")}}}))
	f.Add(AppendMessage(nil, &Message{Kind: KindDelta, Entries: []Entry{{Room: "a", Conn: 1, User: "u", Gone: true}}, Seen: []Seen{{1, 2, 3}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
		c := alone(&Options{Presence: true}, 1)
		c.Join(1, 1, m.Room, "", nil)
		c.Members(1, []NodeID{1, 2})
		c.Receive(2, 2, m)
		c.Tick(3)
	})
}

// Benchmark100kRooms makes a hundred thousand rooms with a member each, and says what one takes.
func Benchmark100kRooms(b *testing.B) {
	const rooms = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c := alone(&Options{}, rooms/100)
		for i := range rooms {
			if err := c.Join(int64(i), ConnID(i/100+1), fmt.Sprint("room/", i), "1", nil); err != nil {
				b.Fatal(err)
			}
			c.Take()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/rooms, "B/room")
		if c.Stats().Rooms != rooms {
			b.Fatal("rooms are missing")
		}
	}
	b.ReportMetric(rooms*float64(b.N)/b.Elapsed().Seconds(), "joins/s")
}

// TestLargeStates: however large metas and messages may be, and however many there are, no message between nodes is one that the
// other side refuses.
func TestLargeStates(t *testing.T) {
	const large, many = 700 << 10, 40
	c := alone(&Options{History: many, Presence: true, MaxBytes: large, PerConn: Rate{PerSecond: -1}, PerRoom: Rate{PerSecond: -1}}, many)
	c.Members(1, []NodeID{1, 2})
	c.Receive(1, 2, &Message{Kind: KindBeat, Epoch: 1, Link: 1})
	room := "a"
	for c.ownerOf(room) != c.self {
		room += "a"
	}
	data := []byte(`"` + strings.Repeat("x", large-2) + `"`)
	for i := range many {
		if err := c.Join(1, ConnID(i+1), room, "", data); err != nil {
			t.Fatal(err)
		}
		if err := c.Publish(1, room, "", data); err != nil {
			t.Fatal(err)
		}
	}
	c.Tick(2)
	for i, m := range []*Message{{Kind: KindResync}, {Kind: KindAttach, Room: room, Ask: 1, Number: 1}} {
		m.Epoch, m.Link = 1, uint64(i+2)
		c.Receive(3, 2, m)
	}
	entries, kinds := 0, map[Kind]int{}
	for _, e := range c.Take().Messages {
		b := AppendMessage(nil, e.Message)
		if len(b) > maxStateBytes+1000 {
			t.Errorf("a message of kind %d has %d bytes", e.Message.Kind, len(b))
		}
		if _, err := DecodeMessage(b); err != nil {
			t.Error(err)
		}
		kinds[e.Message.Kind]++
		entries += len(e.Message.Entries)
	}
	if entries != 2*many || kinds[KindFull] != 1 || kinds[KindDelta] < 4 || kinds[KindAttached] != 1 {
		t.Errorf("%d entries, messages by kind: %v", entries, kinds)
	}
}

// TestLongNamesOfOthers: what another node says has the limits that clients have.
func TestLongNamesOfOthers(t *testing.T) {
	long := func(n int) string { return strings.Repeat("n", n) }
	for _, c := range []struct {
		m    Message
		want error
	}{
		{Message{Kind: KindDelta, Room: long(MaxRoomBytes), To: long(MaxUserBytes), Entries: []Entry{{Room: long(MaxRoomBytes), User: long(MaxUserBytes)}}}, nil},
		{Message{Kind: KindDelta, Room: long(MaxRoomBytes + 1)}, ErrMessage},
		{Message{Kind: KindDelta, To: long(MaxUserBytes + 1)}, ErrMessage},
		{Message{Kind: KindDelta, Entries: []Entry{{}, {Room: long(MaxRoomBytes + 1)}}}, ErrMessage},
		{Message{Kind: KindDelta, Entries: []Entry{{}, {User: long(MaxUserBytes + 1)}}}, ErrMessage},
	} {
		if _, err := DecodeMessage(AppendMessage(nil, &c.m)); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
}

// TestNamelessAreApart: a connection without a user does not use up what others may send.
func TestNamelessAreApart(t *testing.T) {
	c := NewCore(CoreConfig{Self: 1, Epoch: 1, PerUser: Rate{1, 2}, Options: func(string) *Options { return &Options{} }})
	c.Members(second, []NodeID{1})
	for id := ConnID(1); id <= 2; id++ {
		c.Connect(second, id, "")
		if err := c.Join(second, id, "r", "", nil); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := c.Send(second, id, "r", "", "", []byte("1")); (err == nil) != (i < 2) {
				t.Fatalf("message %d of connection %d: %v", i, id, err)
			}
		}
	}
}

// TestHistoriesOfAllRooms: however many rooms have a history, a node keeps no more than it may of all of them; rooms that nobody is
// in make place for others, and what is counted is what is there.
func TestHistoriesOfAllRooms(t *testing.T) {
	const most, rooms, size = 1 << 20, 100, 20 << 10
	c := NewCore(CoreConfig{Self: 1, Epoch: 5, MaxHistory: most, Options: func(string) *Options { return &Options{History: 10} }})
	c.Connect(1, 1, "u")
	counted := func() (n int) {
		for _, r := range c.rooms {
			held := 0
			for i := range r.ring {
				held += r.ring[i].size()
			}
			if held != r.held {
				t.Fatalf("%s: %d bytes are counted as %d", r.name, held, r.held)
			}
			n += held
		}
		return n
	}
	data := []byte(`"` + strings.Repeat("x", size) + `"`)
	now, fullest := int64(1), 0
	for i := range rooms {
		name := fmt.Sprint("r", i)
		if err := c.Join(now, 1, name, "", nil); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			now += second / 4
			if err := c.Send(now, 1, name, "", "", data); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Leave(now, 1, name); err != nil {
			t.Fatal(err)
		}
		c.Tick(now)
		c.Take()
		n := counted()
		if n > most || n != c.Stats().HistoryBytes {
			t.Fatalf("behind room %d: %d bytes, counted as %d, may be %d", i, n, c.Stats().HistoryBytes, most)
		}
		fullest = max(fullest, n)
	}
	if fullest < most/2 {
		t.Errorf("never more than %d of %d bytes: this tests nothing", fullest, most)
	}
	now += 2 * second
	if err := c.Join(now, 1, "again", "", nil); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		now += second / 4
		if err := c.Send(now, 1, "again", "", "", data); err != nil {
			t.Fatal(err)
		}
		c.Tick(now)
	}
	if n := len(c.rooms["again"].ring); n != 10 {
		t.Errorf("%d of 10 messages are kept where nobody is in the other rooms", n)
	}
	for name := range c.rooms {
		c.drop(c.rooms[name])
	}
	if c.held != 0 {
		t.Errorf("%d bytes without rooms", c.held)
	}
}

// TestMetaOfAConnection: what others must hold of one connection is bounded, in however many rooms it is, and counted down again.
func TestMetaOfAConnection(t *testing.T) {
	c := alone(&Options{Presence: true}, 1)
	meta := []byte(`"` + strings.Repeat("x", 60<<10) + `"`)
	joined := 0
	for ; c.Join(1, 1, fmt.Sprint("r", joined), "", meta) == nil; joined++ {
		if joined*len(meta) > maxMetaBytes {
			t.Fatalf("%d rooms with %d bytes each", joined, len(meta))
		}
	}
	if err := c.Update(2, 1, "r0", meta); err != nil {
		t.Errorf("the same meta again: %v", err)
	}
	if err := c.Update(2*second, 1, "r0", []byte(`1`)); err != nil {
		t.Errorf("less: %v", err)
	}
	if err := c.Join(3*second, 1, "r-next", "", meta); err != nil {
		t.Errorf("in place of what was taken back: %v", err)
	}
	c.Disconnect(4*second, 1)
	if err := c.Join(5*second, 1, "r0", "", meta); err != ErrNotJoined {
		t.Errorf("without a connection: %v", err)
	}
}
