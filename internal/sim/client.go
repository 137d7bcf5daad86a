package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/linear"
	"github.com/lithair/lithair-go/state"
)

// client does one operation after the other, and holds a session: what it has seen, it
// wants to see again.
type client struct {
	s      *simulation
	g      *group // whose state it writes and reads
	id     int
	ops    int
	seen   uint64 // highest sequence it was told of
	target consensus.NodeID
	stop   bool
}

// intent is an operation on its way, over as many attempts as it takes.
type intent struct {
	c        *client
	name     string // unique
	register string
	level    engine.Level // of a read
	move     string       // account to move to; "" for others
	tx       bool         // the read is a transaction that changes nothing
	op       linear.Operation
	attempts int
	unknown  bool // an attempt may have had an effect
	current  int  // attempt whose answer is waited for
	over     bool
}

const (
	accounts     = 4
	accountMoney = 100
	maxAttempts  = 8
)

func accountName(i int) string { return fmt.Sprintf("account%d", i) }

// next begins an operation, after a while.
func (c *client) next() {
	c.s.world.after(c.s.world.about(c.s.mood.think), func() {
		if c.stop {
			return
		}
		c.ops++
		i := c.draw()
		i.c, i.name, i.op.Begin, i.op.End = c, fmt.Sprintf("c%d.%d", c.id, c.ops), c.s.world.now, linear.Forever
		c.g.history.begin(i)
		i.try()
	})
}

// draw chooses what to do.
func (c *client) draw() *intent {
	w := c.s.world
	i := &intent{register: fmt.Sprintf("r%d", w.rng.IntN(c.s.mood.registers))}
	value := int64(c.id)<<32 | int64(c.ops) // nobody else writes it
	switch k := w.rng.IntN(100); {
	case k < 20:
		i.op = linear.Operation{Do: linear.Put, Arg: value}
	case k < 40:
		i.op = linear.Operation{Do: linear.Add, Arg: 1}
	case k < 50:
		i.op = linear.Operation{Do: linear.Replace, Arg: value, Old: c.g.history.likely(i.register)}
	case k < 58:
		i.move, i.register = accountName(w.rng.IntN(accounts)), accountName(w.rng.IntN(accounts))
		i.op = linear.Operation{Do: linear.Put, Arg: int64(w.rng.IntN(20))}
	case k < 66:
		i.level, i.tx = engine.Linearizable, true
	case k < 76:
		i.level = engine.Linearizable
	case k < 86:
		i.level = engine.Strong
	default:
		i.level = pick(w, engine.None, engine.Weak)
	}
	return i
}

// try sends the operation to a node. It gives up after some attempts.
func (i *intent) try() {
	c, w := i.c, i.c.s.world
	if i.attempts++; i.attempts > maxAttempts || c.stop && i.op.Do == linear.Read {
		i.end("gives up")
		return
	}
	i.current = i.attempts
	attempt := i.attempts
	request := fmt.Sprintf("%s/%d", i.name, attempt)
	if c.target == 0 || w.oneIn(8) || i.op.Do == linear.Read && w.oneIn(2) {
		c.target = pick(w, c.s.ids...)
		if leads := c.s.believers(c.g); len(leads) > 0 && (w.oneIn(2) || c.s.mood.raft.LeaseReads && i.level == engine.Linearizable) {
			c.target = pick(w, leads...)
		}
	}
	m := c.s.machines[c.target]
	c.s.net.carry(clients, m.id, func() { m.serve(i, attempt, request) })
	w.after(w.between(800*time.Millisecond, 2*time.Second), func() {
		if i.over || i.current != attempt {
			return
		}
		i.unknown = true
		c.target = 0
		i.try()
	})
}

// believers returns the machines that take themselves for the leader: those of the past are asked as well.
func (s *simulation) believers(g *group) (ids []consensus.NodeID) {
	for _, id := range s.ids {
		if p := s.part(id, g); p != nil && p.status.State == consensus.Leader {
			ids = append(ids, id)
		}
	}
	return ids
}

// answer is what comes back from a node.
type answer struct {
	value   int64
	seq     uint64
	refused bool // by the command itself
	failed  bool // nothing happened, for certain
	leader  consensus.NodeID
	err     error
}

// answered takes an answer in, on the client's side.
func (i *intent) answered(attempt int, a answer) {
	c, w := i.c, i.c.s.world
	if i.over || i.current != attempt {
		return
	}
	switch {
	case a.err != nil:
		i.unknown = i.unknown || !a.failed
		i.current = 0
		if c.target = a.leader; c.target == 0 || c.s.machines[c.target] == nil {
			c.target = 0
		}
		w.after(w.between(5*time.Millisecond, 100*time.Millisecond), i.retry)
	case a.refused && i.unknown:
		i.end("is refused; an earlier attempt may have had an effect, or have one yet")
	default:
		i.op.End, i.op.Result, i.op.Refused = w.now, a.value, a.refused
		if i.op.Do == linear.Read || !a.refused {
			c.g.history.session(i, a.seq)
		}
		i.end(fmt.Sprintf("ends: value %d at sequence %d, refused %v", a.value, a.seq, a.refused))
	}
}

func (i *intent) retry() {
	if !i.over {
		i.try()
	}
}

func (i *intent) end(how string) {
	i.over = true
	i.c.g.history.end(i)
	i.c.s.tell(clients, "%s (%s of %s) %s", i.name, i.verb(), i.register, how)
	i.c.next()
}

func (i *intent) verb() string {
	if i.tx {
		return "transaction that reads"
	}
	if i.op.Do == linear.Read {
		return i.level.String() + " read"
	}
	if i.move != "" {
		return "move"
	}
	return [...]string{linear.Put: "put", linear.Add: "addition", linear.Replace: "replacement"}[i.op.Do]
}

// pendingCall is a write that a node works on.
type pendingCall struct {
	call    *engine.Call
	i       *intent
	attempt int
	request string
	asked   uint64 // sequence that was committed when it came
}

// pendingRead is a read that waits for its moment.
type pendingRead struct {
	read    *engine.Read
	i       *intent
	attempt int
	asked   uint64 // sequence that was committed when it began
	until   time.Duration
}

// serve takes a request in, on the machine.
func (m *machine) serve(i *intent, attempt int, request string) {
	p := m.s.part(m.id, i.c.g)
	if p == nil {
		m.reply(i, attempt, answer{err: errRefused, failed: true})
		return
	}
	p.run(func() {
		if i.op.Do == linear.Read && !i.tx {
			p.serveRead(i, attempt)
			return
		}
		p.serveWrite(i, attempt, request)
	})
}

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset")
	errLate    = errors.New("not fresh enough in time")
)

func (m *machine) reply(i *intent, attempt int, a answer) {
	m.s.net.carry(m.id, clients, func() { i.answered(attempt, a) })
}

func (p *part) serveWrite(i *intent, attempt int, request string) {
	hash := [32]byte{}
	copy(hash[:], i.name)
	cmd := engine.Command{
		Name: i.verb(), Actor: fmt.Sprintf("client%d", i.c.id), RequestID: request, IdemKey: i.name, IdemHash: hash,
		Run: func(tx *engine.Tx) (engine.Answer, error) { return p.perform(tx, i) },
	}
	if i.tx {
		cmd.IdemKey = "" // the answer is not to be kept: it would be a change
	}
	call := engine.NewCall(context.Background(), cmd)
	c := pendingCall{call, i, attempt, request, p.g.check.committedSeq()}
	if err := p.e.Submit(call); err != nil {
		call.Err = err
		p.done(c)
		return
	}
	p.calls = append(p.calls, c)
}

// errOther is how a replacement is refused.
var errOther = errors.New("another value")

// perform is the transaction.
func (p *part) perform(tx *engine.Tx, i *intent) (engine.Answer, error) {
	if i.move != "" {
		if err := p.moveMoney(tx, i); err != nil {
			return engine.Answer{}, err
		}
		return engine.Answer{Status: 200, Body: make([]byte, 8)}, nil
	}
	value, err := p.load(tx, i.register, 0)
	if err != nil {
		return engine.Answer{}, err
	}
	other := false
	switch i.op.Do {
	case linear.Read:
		return engine.Answer{Status: 200, Body: binary.LittleEndian.AppendUint64(nil, uint64(value))}, nil
	case linear.Put:
		value = i.op.Arg
	case linear.Add:
		value += i.op.Arg
	case linear.Replace:
		other, value = value != i.op.Old, i.op.Arg
	}
	err = tx.Upsert(p.table, &register{ID: i.register, Value: value, Pad: i.c.s.padding()})
	if other { // it is refused behind its write, which must leave no trace
		err = errOther
	}
	return engine.Answer{Status: 200, Body: binary.LittleEndian.AppendUint64(nil, uint64(value))}, err
}

// padding is about as long as the run has it, and changes with each write.
func (s *simulation) padding() string {
	if s.mood.padding == 0 {
		return ""
	}
	return fmt.Sprintf("%0*d", 1+s.world.rng.IntN(2*s.mood.padding), s.world.rng.Uint32())
}

func (p *part) moveMoney(tx *engine.Tx, i *intent) error {
	for n := range accounts {
		name := accountName(n)
		money, err := p.load(tx, name, accountMoney)
		if err != nil {
			return err
		}
		if name == i.register {
			money -= i.op.Arg
		}
		if name == i.move {
			money += i.op.Arg
		}
		if err := tx.Upsert(p.table, &register{ID: name, Value: money}); err != nil {
			return err
		}
	}
	return nil
}

// load returns a register's value in a transaction.
func (p *part) load(tx *engine.Tx, name string, absent int64) (int64, error) {
	key, err := p.table.Codec().Key(&register{ID: name})
	if err != nil {
		return 0, err
	}
	var r register
	if _, err = tx.Load(p.table, key, &r); errors.Is(err, engine.ErrNotFound) {
		return absent, nil
	}
	return r.Value, err
}

// look returns a register's value in a state.
func (p *part) look(root *state.Root, name string, absent int64) int64 {
	codec := p.table.Codec()
	if codec == nil {
		return absent
	}
	key, err := codec.Key(&register{ID: name})
	if err != nil {
		violated("key of %s: %v", name, err)
	}
	row := root.Get(p.table.Number(), key)
	if row == nil {
		return absent
	}
	var r register
	if err := codec.Decode(row.Bytes(), &r); err != nil {
		violated("record %s of node %d: %v", name, p.m.id, err)
	}
	return r.Value
}

func (p *part) serveRead(i *intent, attempt int) {
	asked := p.g.check.committedSeq()
	read, err := p.e.Ask(i.level)
	if err != nil {
		p.m.reply(i, attempt, answer{err: err, failed: true})
		return
	}
	p.reads = append(p.reads, &pendingRead{read, i, attempt, asked, p.m.s.world.now + time.Second})
	p.later(time.Second, func() {})
}

// poll answers what has come to an end.
func (p *part) poll() {
	k := 0
	for _, c := range p.calls {
		if c.call.Done() {
			p.done(c)
		} else {
			p.calls[k] = c
			k++
		}
	}
	clear(p.calls[k:])
	p.calls = p.calls[:k]
	n := 0
	for _, r := range p.reads {
		if !p.served(r) {
			p.reads[n] = r
			n++
		}
	}
	clear(p.reads[n:])
	p.reads = p.reads[:n]
}

// done answers a write.
func (p *part) done(c pendingCall) {
	s := p.m.s
	a := answer{seq: c.call.Result.Seq}
	var lost *engine.LostError
	var broken *engine.PanicError
	switch err := c.call.Err; {
	case err == nil && c.i.tx:
		p.g.check.fresh(p, &c)
		a.value = int64(binary.LittleEndian.Uint64(c.call.Result.Body))
		s.stats["read"]++
	case err == nil:
		p.g.check.answered(p, c.request, c.call.Result)
		a.value = int64(binary.LittleEndian.Uint64(c.call.Result.Body))
		s.stats["write"]++
		p.g.written++
		if c.call.Result.Replayed {
			s.stats["write answered again"]++
		}
	case errors.Is(err, errOther):
		a.refused = true
		p.g.check.fresh(p, &c)
		p.g.check.failed(p, c.request, err)
	case errors.As(err, &broken):
		violated("a transaction panics on node %d: %v\n%s", p.m.id, broken.Value, broken.Stack)
	case errors.As(err, &lost) && lost.Unknown:
		a.err = err
		s.stats["write lost, outcome unknown"]++
	default:
		a.err, a.failed, a.leader = err, true, p.status.Lead
		p.g.check.failed(p, c.request, err)
	}
	p.m.reply(c.i, c.attempt, a)
}

// served answers a read, if it can be answered by now.
func (p *part) served(r *pendingRead) bool {
	s := p.m.s
	root, done, err := r.read.Poll()
	if done && err != nil {
		p.m.reply(r.i, r.attempt, answer{err: err, failed: true})
		return true
	}
	if done {
		root = p.e.Root()
	}
	if !done || root.Seq() < r.i.c.seen {
		if s.world.now < r.until {
			return false
		}
		r.read.Drop()
		p.m.reply(r.i, r.attempt, answer{err: errLate, failed: true})
		return true
	}
	if r.i.level >= engine.Linearizable {
		if root.Seq() < r.asked {
			violated("a %s read on node %d shows sequence %d; when it began, %d was committed", r.i.level, p.m.id, root.Seq(), r.asked)
		}
		s.stats["read"]++
	}
	p.g.check.published(p)
	p.balanced(root)
	p.m.reply(r.i, r.attempt, answer{value: p.look(root, r.i.register, 0), seq: root.Seq()})
	return true
}

// balanced is that a transaction over several records is seen whole or not at all.
func (p *part) balanced(root *state.Root) {
	sum := int64(0)
	for n := range accounts {
		sum += p.look(root, accountName(n), accountMoney)
	}
	if sum != accounts*accountMoney {
		violated("node %d shows at sequence %d accounts with %d in all, not %d", p.m.id, root.Seq(), sum, accounts*accountMoney)
	}
}

// reset is the end of a process for those who wait for it: they are told so, or hear nothing.
func (p *part) reset() {
	p.m.s.stats["read by lease"] += int(p.n.Leases())
	for _, c := range p.calls {
		if p.m.s.world.oneIn(2) {
			p.m.reply(c.i, c.attempt, answer{err: errReset})
		}
	}
	for _, r := range p.reads {
		p.m.reply(r.i, r.attempt, answer{err: errReset})
	}
	p.calls, p.reads = nil, nil
}
