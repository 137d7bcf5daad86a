package eventlog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// long is set for the full counts.
var long = os.Getenv("LITHAIR_LONG") != ""

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// config is that of a small log without keys.
func config(fs eventlog.FS, salt *uint64) eventlog.Config { return sealedConfig(fs, salt, nil) }

func sealedConfig(fs eventlog.FS, salt *uint64, keys eventlog.KeyProvider) eventlog.Config {
	return eventlog.Config{FS: fs, Keys: keys, Dir: "log", SegmentBytes: 12 << 10, Manual: true, Logger: silent,
		Salt: func() uint64 { *salt += 0x9E3779B97F4A7C15; return *salt }}
}

// state is what a log ought to hold: recs[i] has index i+1; those up to base may be gone.
type state struct {
	recs []eventlog.Record
	base uint64 // records up to here were given up
}

// sum is the chain by its definition, written a second time.
func (s state) sum() (sum [32]byte) {
	for _, r := range s.recs {
		p := sha256.Sum256(r.Payload)
		if r.Redacted {
			p = [32]byte(r.Payload)
		}
		b := append([]byte(nil), sum[:]...)
		b = binary.LittleEndian.AppendUint64(b, r.Index)
		b = binary.LittleEndian.AppendUint64(b, r.Term)
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Time))
		b = append(append(b, r.Kind), p[:]...)
		sum = sha256.Sum256(b)
	}
	return sum
}

// differs says how a log differs from the state; "" if it does not. oldBase is the
// lowest base it may have.
func (s state) differs(l *eventlog.Log, oldBase uint64) string {
	last := uint64(len(s.recs))
	if l.Last() != last || l.Durable() != last {
		return fmt.Sprintf("last %d, durable %d, want %d", l.Last(), l.Durable(), last)
	}
	if f := l.First(); f > s.base+1 || f < oldBase+1 {
		return fmt.Sprintf("first %d, want %d to %d", f, oldBase+1, s.base+1)
	}
	if _, sum := l.Chain(); sum != s.sum() {
		return "the chain is another"
	}
	next := l.First()
	var problem string
	err := l.Replay(next, func(r eventlog.Record) error {
		want := s.recs[next-1]
		if r.Index != next || r.Term != want.Term || r.Time != want.Time || r.Kind != want.Kind || r.Redacted != want.Redacted || !bytes.Equal(r.Payload, want.Payload) {
			problem = fmt.Sprintf("record %d is another", next)
		}
		next++
		return nil
	})
	if err != nil {
		return err.Error()
	}
	if next != last+1 && problem == "" {
		problem = fmt.Sprintf("replay ended at %d of %d", next-1, last)
	}
	return problem
}

// testKey returns the key of a number.
func testKey(id uint32) (crypt.Key, error) {
	if id == 0 || id > 3 {
		return crypt.Key{}, crypt.ErrUnknownKey
	}
	return sha256.Sum256([]byte{byte(id)}), nil
}

// turning returns a provider of three keys, of which each in turn is the current one.
func turning() eventlog.KeyProvider {
	n := uint32(0)
	return crypt.Callback{KeyFunc: testKey, CurrentFunc: func() (uint32, crypt.Key, error) {
		n++
		k, err := testKey(n%3 + 1)
		return n%3 + 1, k, err
	}}
}

// The ways in which a rig's log is encrypted.
const (
	inTheClear = iota
	encrypted  // under several keys
	migrating  // from the second time on that it is opened
	ways
)

var wayNames = [ways]string{"clear", "encrypted", "migrating"}

// rig drives a log in Manual mode through a workload and knows what it must hold.
type rig struct {
	fs        *disk.Sim
	log       *eventlog.Log
	salt      uint64
	rng       *rand.Rand
	now       state  // acknowledged
	flight    *state // what the work under way would make of it
	gen       uint64
	opens     int
	works     int
	marks     int
	kept      int
	redacted  int
	closed    bool
	resetting bool // see TestReset
	way       int
	compress  bool
	keys      eventlog.KeyProvider // nil: a log in the clear
}

// newRig returns a rig in one of three ways to encrypt, as the seed says.
func newRig(fs *disk.Sim, seed uint64) *rig {
	r := &rig{fs: fs, salt: seed, rng: rand.New(rand.NewPCG(seed, 1)), way: int(seed % ways), compress: seed%2 == 1}
	if r.way != inTheClear {
		r.keys = turning()
	}
	return r
}

func (r *rig) config(fs eventlog.FS, salt *uint64) eventlog.Config {
	cfg := sealedConfig(fs, salt, r.keys)
	cfg.Compress = r.compress
	return cfg
}

func (r *rig) open() (err error) {
	r.opens++
	r.closed = false
	cfg := r.config(r.fs, &r.salt)
	if r.way == migrating && r.opens == 1 {
		cfg.Keys = nil
	}
	r.log, err = eventlog.Open(cfg)
	return err
}

func (r *rig) record(index uint64) eventlog.Record {
	r.gen++
	n := r.rng.IntN(200)
	if r.rng.IntN(40) == 0 {
		n = 9000 + r.rng.IntN(6000) // some larger than a segment
	}
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.rng.Uint32()) & 3 // to be compressed
	}
	return eventlog.Record{Index: index, Term: r.gen / 7, Time: int64(r.gen), Kind: uint8(r.gen), Payload: p}
}

// step does one step of the workload; its error ends the run.
func (r *rig) step() error {
	last := uint64(len(r.now.recs))
	next := state{recs: r.now.recs[:last:last], base: r.now.base}
	acks, want := 0, 0
	var failure error
	removal := false
	ack := func(err error) {
		if err == nil {
			acks++
		}
		failure = errors.Join(failure, err)
	}
	if err := r.log.Tend(); errors.Is(err, disk.ErrPower) {
		return err // any other failure is of no account
	}
	switch k := r.rng.IntN(20); {
	case k < 12: // a group of appends
		for range 1 + r.rng.IntN(4) {
			var recs []eventlog.Record
			for range 1 + r.rng.IntN(3) {
				rec := r.record(uint64(len(next.recs)) + 1)
				recs, next.recs = append(recs, rec), append(next.recs, rec)
			}
			want++
			r.log.AppendAsync(recs, ack)
		}
	case k < 14 && last > r.log.First():
		to := r.log.First() - 1 + r.rng.Uint64N(last-r.log.First()+1)
		if r.rng.IntN(3) > 0 {
			to = max(to, last-min(last, 4)) // mostly the newest, across few frames
		}
		next.recs = next.recs[:to]
		next.base = min(next.base, to)
		want++
		r.log.TruncateAfterAsync(to, ack)
	case k < 16 && last > 0:
		to := 1 + r.rng.Uint64N(last)
		next.base = max(next.base, to-1)
		removal = true
		want++
		r.log.TruncateBeforeAsync(to, ack)
	case k < 18:
		if w, ok := r.log.BeginMark(); ok {
			r.marks++
			return r.do(w)
		}
		return nil
	case k == 18:
		if err := r.close(); err != nil {
			return err
		}
		return r.open()
	case k == 19 && last >= r.log.First():
		return r.redact(r.log.First()+r.rng.Uint64N(last-r.log.First()+1), next)
	}
	r.flight = &next
	for {
		w, ok := r.log.Begin()
		if !ok {
			break
		}
		if err := r.do(w); err != nil {
			if acks > 0 {
				return fmt.Errorf("acknowledged %d of a failed work: %w", acks, err)
			}
			return err
		}
	}
	if removal && failure != nil && !errors.Is(failure, disk.ErrPower) {
		r.kept++ // a segment stays, the log goes on
	} else if acks != want {
		return fmt.Errorf("%d of %d acknowledged: %w", acks, want, failure)
	}
	r.now, r.flight = next, nil
	return nil
}

// redact redacts one record. What a failure leaves undone is found by reading.
func (r *rig) redact(index uint64, next state) error {
	next.recs = slices.Clone(next.recs)
	next.recs[index-1] = redactedForm(next.recs[index-1])
	r.flight = &next
	r.redacted++
	err := r.log.Redact(index)
	if err != nil && (errors.Is(err, disk.ErrPower) || r.log.Err() != nil) {
		return err
	}
	recs, readErr := r.log.Read(index, 1)
	if readErr != nil {
		return readErr
	}
	if recs[0].Redacted {
		r.now = next
	}
	r.flight = nil
	switch {
	case err == nil && !recs[0].Redacted:
		return errors.New("redacted, and the payload is still there")
	case err == nil || errors.Is(err, eventlog.ErrFull):
		return err
	}
	r.kept++ // the log goes on
	return nil
}

// redactedForm is what is left of a record.
func redactedForm(r eventlog.Record) eventlog.Record {
	if !r.Redacted {
		sum := sha256.Sum256(r.Payload)
		r.Payload, r.Redacted = sum[:], true
	}
	return r
}

func (r *rig) do(w *eventlog.Work) error {
	r.works++
	err := w.Do()
	r.log.End(w, err)
	return err
}

// run does steps until one fails.
func (r *rig) run(steps int) error {
	if r.log == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	for range steps {
		if err := r.step(); err != nil {
			return err
		}
	}
	return r.close()
}

func (r *rig) close() error {
	r.closed = true
	return r.log.Close()
}

// check opens what is on fs and compares it with what was acknowledged, or that and all
// of the work under way. It returns the open log and the state it is in.
func (r *rig) check(fs *disk.Sim) (*eventlog.Log, state, error) {
	salt := r.salt + 12345
	l, err := eventlog.Open(r.config(fs, &salt))
	if err != nil {
		return nil, state{}, fmt.Errorf("open: %w", err)
	}
	problem := r.now.differs(l, 0)
	if problem == "" {
		return l, r.now, nil
	}
	if r.flight != nil {
		other := r.flight.differs(l, 0)
		if other == "" {
			return l, *r.flight, nil
		}
		problem += "; and with the work under way: " + other
	}
	return nil, state{}, errors.Join(errors.New(problem), l.Close())
}

// image is a digest of all files of a disk, their names and contents. Behind a power failure there is no more to a disk than that: two
// outcomes with one image are the same.
func image(fs *disk.Sim) ([sha256.Size]byte, error) {
	h := sha256.New()
	for _, name := range fs.Files() {
		b, err := disk.ReadFile(fs, name)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		fmt.Fprintf(h, "%q %d\n", name, len(b))
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// expected is a digest of what check takes for right.
func (r *rig) expected() [sha256.Size]byte {
	sum := r.now.sum()
	b := binary.LittleEndian.AppendUint64(sum[:], r.now.base)
	if r.flight != nil {
		sum = r.flight.sum()
		b = binary.LittleEndian.AppendUint64(append(b, sum[:]...), r.flight.base)
	}
	return sha256.Sum256(b)
}

// goesOn appends to a recovered log, closes it, and looks at it once more, every byte.
func (r *rig) goesOn(fs *disk.Sim, l *eventlog.Log, s state) error {
	rec := eventlog.Record{Index: l.Last() + 1, Term: 99, Payload: []byte("goes on")}
	var acked error = errors.New("not called")
	l.AppendAsync([]eventlog.Record{rec}, func(err error) { acked = err })
	for {
		w, ok := l.Begin()
		if !ok {
			break
		}
		l.End(w, w.Do())
	}
	if err := errors.Join(acked, l.Close()); err != nil {
		return fmt.Errorf("append after recovery: %w", err)
	}
	s.recs = append(s.recs[:len(s.recs):len(s.recs)], rec)
	fs = fs.Crash(1)
	rep, err := eventlog.Verify(r.config(fs, nil), nil)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if rep.Last != rec.Index || rep.Chain != s.sum() || rep.TornBytes != 0 {
		return fmt.Errorf("verify: last %d, want %d; torn %d", rep.Last, rec.Index, rep.TornBytes)
	}
	salt := uint64(7)
	if l, err = eventlog.Open(r.config(fs, &salt)); err != nil {
		return fmt.Errorf("open after recovery: %w", err)
	}
	if problem := s.differs(l, 0); problem != "" {
		return errors.New("after recovery: " + problem)
	}
	return l.Close()
}
