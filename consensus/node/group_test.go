package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// newGroup makes one more group of a transport, and what comes for it.
func newGroup(t *testing.T, tr *TCP, number uint64, others ...*TCP) (*Group, chan consensus.Message) {
	t.Helper()
	g, err := tr.Group(number)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan consensus.Message, 10_000)
	if err := g.Serve(func(list ...consensus.Message) {
		for _, m := range list {
			got <- m
		}
	}, func(consensus.NodeID) {}); err != nil {
		t.Fatal(err)
	}
	g.Members(members(others))
	return g, got
}

func members(list []*TCP) (m consensus.Membership) {
	for _, o := range list {
		m.Members = append(m.Members, consensus.Member{ID: o.cfg.ID, Role: consensus.Voter, Address: o.cfg.Listener.Addr().String()})
	}
	return m
}

// until sends a message again and again until done says that it is enough.
func until(t *testing.T, g Transport, m consensus.Message, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
		g.Send([]consensus.Message{m})
		time.Sleep(time.Millisecond) // between attempts
	}
}

func (t *TCP) open2() (out, in int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns), len(t.reading)
}

// TestGroupsShareConnections: messages of three groups go over one connection, each to its own
// group; a group that leaves takes the connection of nobody, and its number is free again.
func TestGroupsShareConnections(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got0, _ := newTCP(t, 2, nil)
	know(a, b)
	g5, _ := newGroup(t, a, 5, b)
	g9, _ := newGroup(t, a, 9, b)
	at5, got5 := newGroup(t, b, 5)
	_, got9 := newGroup(t, b, 9)
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3}
	for _, x := range []struct {
		tr    Transport
		group uint64
		got   chan consensus.Message
	}{{a, 0, got0}, {g5, 5, got5}, {g9, 9, got9}} {
		m.Group = x.group
		until(t, x.tr, m, func() bool { return len(x.got) > 0 })
		const n = 200
		for i := range uint64(n) {
			m.Seq, m.Entries = 1000+i, nil
			if i%3 == 0 { // these are written at once, if they may
				m.Entries = []consensus.Entry{{Index: 1, Term: 3, Kind: consensus.FirstKind, Data: make([]byte, i)}}
			}
			x.tr.Send([]consensus.Message{m})
		}
		m.Seq, m.Entries = 0, nil
		for next := uint64(1000); next < 1000+n; {
			r := taken(t, x.got)
			if r.Group != x.group {
				t.Fatalf("group %d gets a message of group %d", x.group, r.Group)
			}
			if r.Seq == 0 {
				continue
			}
			if r.Seq != next {
				t.Fatalf("group %d: message %d comes in the place of %d", x.group, r.Seq, next)
			}
			next++
		}
	}
	if out, _ := a.open2(); out != 1 {
		t.Errorf("three groups have %d ways to one peer", out)
	}
	if _, in := b.open2(); in != 1 {
		t.Errorf("three groups come on %d connections", in)
	}
	if _, err := a.Group(5); !errors.Is(err, ErrGroupTaken) {
		t.Errorf("a group is made twice: %v", err)
	}
	for _, number := range []uint64{0, 1 << 32} {
		if _, err := a.Group(number); err == nil {
			t.Errorf("there is a group %d", number)
		}
	}
	a.Members(consensus.Voters(1))
	for range 2 {
		if err := g5.Leave(); err != nil {
			t.Error(err)
		}
	}
	m.Group = 9
	before := len(got9)
	until(t, g9, m, func() bool { return len(got9) > before })
	if err := g9.Leave(); err != nil {
		t.Error(err)
	}
	if out, _ := a.open2(); out != 0 {
		t.Error("nobody needs the peer any more, and it is connected")
	}
	if err := at5.Leave(); err != nil {
		t.Error(err)
	}
	if _, err := b.Group(5); err != nil {
		t.Errorf("a group that has left cannot come again: %v", err)
	}
}

// TestUnknownGroup: a message for a group that is not there is refused and counted, its sender
// hears of it, and the connection goes on; when the group comes, it is heard.
func TestUnknownGroup(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got0, _ := newTCP(t, 2, nil)
	know(a, b)
	g, _ := newGroup(t, a, 5, b)
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3}
	resend(t, a, got0, m)
	b.mu.Lock()
	var first *incoming
	for in := range b.reading {
		first = in
	}
	b.mu.Unlock()
	m.Group = 5
	until(t, g, m, func() bool { return len(g.RefusedBy()) == 1 && g.RefusedBy()[0] == 2 })
	if _, err := g.DialAddress(context.Background(), b.cfg.Listener.Addr().String(), "echo"); !errors.Is(err, ErrUnknownGroup) {
		t.Errorf("a stream of a group that is not there: %v", err)
	}
	m.Group = 0
	resend(t, a, got0, m)
	b.mu.Lock()
	if !b.reading[first] || len(b.reading) != 1 {
		t.Error("a group that is not there has cost the connection")
	}
	b.mu.Unlock()
	if as, bs := a.Stats(), b.Stats(); bs.Unknown == 0 || as.Refused == 0 {
		t.Errorf("nobody has counted: %+v, %+v", as, bs)
	}
	_, got5 := newGroup(t, b, 5)
	m.Group = 5
	until(t, g, m, func() bool { return len(got5) > 0 })
}

// TestReleasesWithoutGroups: either side may know group 0 alone.
func TestReleasesWithoutGroups(t *testing.T) {
	for _, old := range []int{1, 2} {
		a, gotA, _ := newTCP(t, 1, nil)
		b, gotB, _ := newTCP(t, 2, nil)
		if old == 1 {
			a.newest = 1
		} else {
			b.newest = 1
		}
		know(a, b)
		know(b, a)
		g, _ := newGroup(t, a, 5, b)
		resend(t, a, gotB, consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3})
		resend(t, b, gotA, consensus.Message{Kind: consensus.MsgAppend, From: 2, To: 1, Term: 3})
		m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3, Group: 5}
		until(t, g, m, func() bool { return a.Stats().Unsent > 0 })
		if b.Stats().Unknown > 0 {
			t.Error("a release without groups is sent a message of one")
		}
		if old == 2 {
			l, err := b.Listen("echo")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.DialAddress(context.Background(), b.cfg.Listener.Addr().String(), "echo"); err == nil {
				t.Error("a stream of group 5 is opened in group 0")
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	// A hello is what it was: the group stands in what was the end of a longer name, which nobody had.
	near, far := net.Pipe()
	a, _, _ := newTCP(t, 1, nil)
	go func() {
		_, err := a.greet(near, 2, streamKey{name: "http"})
		if !errors.Is(err, ErrNotANode) {
			t.Errorf("a connection that ends: %v", err)
		}
	}()
	hello := make([]byte, 82)
	if _, err := io.ReadFull(far, hello); err != nil {
		t.Fatal(err)
	}
	want := "LTHRAFT1\x01\x02*\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00http\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if string(hello[:50]) != want {
		t.Errorf("hello %q, want %q", hello[:50], want)
	}
	if err := far.Close(); err != nil {
		t.Error(err)
	}
}

// TestAGroupThatWaitsDelaysNoOther: what one group waits for, as for its disk, the others do not; nor
// do its own later messages.
func TestAGroupThatWaitsDelaysNoOther(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got0, _ := newTCP(t, 2, nil)
	know(a, b)
	g, _ := newGroup(t, a, 5, b)
	slow, err := b.Group(5)
	if err != nil {
		t.Fatal(err)
	}
	disk, in := make(chan struct{}), make(chan uint64, 10_000)
	if err := slow.Serve(func(list ...consensus.Message) {
		for _, m := range list {
			in <- m.Seq
		}
		<-disk
	}, func(consensus.NodeID) {}); err != nil {
		t.Fatal(err)
	}
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3}
	five := m
	five.Group = 5
	until(t, g, five, func() bool { return len(in) > 0 }) // and it waits
	for range 50 {
		resend(t, a, got0, m)
	}
	for round := uint64(1); round <= 3; round++ { // each of them waits as well
		five.Seq = round
		g.Send([]consensus.Message{five})
		for taken(t, in) != round {
		}
	}
	close(disk)
}

// TestStreamsOfGroups: a name is another one in another group.
func TestStreamsOfGroups(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, _, _ := newTCP(t, 2, nil)
	know(a, b)
	g, _ := newGroup(t, a, 5, b)
	gb, _ := newGroup(t, b, 5)
	answer := func(listen func(string) (net.Listener, error), text string) net.Listener {
		l, err := listen("name")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if _, err := c.Write([]byte(text)); err != nil {
					t.Error(err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		return l
	}
	answer(b.Listen, "zero")
	answer(gb.Listen, "five")
	ctx := context.Background()
	for i, x := range []struct {
		dial func() (net.Conn, error)
		want string
	}{
		{func() (net.Conn, error) { return a.Dial(ctx, 2, "name") }, "zero"},
		{func() (net.Conn, error) { return g.Dial(ctx, 2, "name") }, "five"},
		{func() (net.Conn, error) { return gb.Dial(ctx, 2, "name") }, "five"},
		{func() (net.Conn, error) { return b.Dial(ctx, 2, "name") }, "zero"},
	} {
		c, err := x.dial()
		if err != nil {
			t.Fatal(i, err)
		}
		text, err := io.ReadAll(c)
		if err != nil || string(text) != x.want {
			t.Errorf("%d: %q, %v, want %q", i, text, err, x.want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := gb.Leave(); err != nil {
		t.Error(err)
	}
	if _, err := g.Dial(ctx, 2, "name"); !errors.Is(err, ErrUnknownGroup) {
		t.Errorf("a stream of a group that has left: %v", err)
	}
}

// TestAGroupDoesNotFloodAnother: what one group has waiting takes no room from the heartbeats of another.
func TestAGroupDoesNotFloodAnother(t *testing.T) {
	a, _, _ := newTCP(t, 1, func(c *TCPConfig) { c.MaxQueueBytes = 1000 })
	o := &outgoing{t: a, wake: make(chan struct{}, 1)}
	big := consensus.Message{Kind: consensus.MsgAppend, Entries: []consensus.Entry{{Data: make([]byte, 900)}}}
	for range 3 {
		o.put([]consensus.Message{big})
	}
	o.put([]consensus.Message{{Kind: consensus.MsgAppend, Group: 1}})
	if len(o.queue) != 2 || o.queue[1].Group != 1 || o.dropped != 2 {
		t.Errorf("%d messages wait, %d were dropped", len(o.queue), o.dropped)
	}
}

func TestRefusalsAreRead(t *testing.T) {
	for _, group := range []uint64{0, 5, 1<<64 - 1} {
		b := appendRefusal(nil, group)
		r := bytes.NewReader(b)
		if got, err := readRefusal(r); err != nil || got != group {
			t.Errorf("%d: %d, %v", group, got, err)
		}
		for i := range b {
			bad := append([]byte(nil), b...)
			bad[i] ^= 1
			if got, err := readRefusal(bytes.NewReader(bad)); err == nil {
				t.Errorf("byte %d is wrong, and group %d is read", i, got)
			}
			if _, err := readRefusal(bytes.NewReader(b[:i])); err == nil {
				t.Errorf("%d bytes are enough", i)
			}
		}
	}
	for _, text := range []string{"", "\x02\x05", "\x01", "\x01\x05\x05"} {
		b := seal(append(make([]byte, 8), text...), 0)
		if _, err := readRefusal(bytes.NewReader(b)); err == nil {
			t.Errorf("%q is a refusal", text)
		}
	}
}
