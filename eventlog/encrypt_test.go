package eventlog_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// fixed returns a provider whose current key has a number, and that knows some keys.
func fixed(current uint32, known ...uint32) eventlog.KeyProvider {
	return crypt.Callback{
		CurrentFunc: func() (uint32, crypt.Key, error) { k, err := testKey(current); return current, k, err },
		KeyFunc: func(id uint32) (crypt.Key, error) {
			for _, k := range known {
				if k == id {
					return testKey(id)
				}
			}
			return crypt.Key{}, fmt.Errorf("%w: number %d", crypt.ErrUnknownKey, id)
		},
	}
}

// fill opens a log, appends n records one by one, and closes it.
func fill(t *testing.T, cfg eventlog.Config, n int) {
	t.Helper()
	l, err := eventlog.Open(cfg)
	must(t, err)
	for range n {
		i := l.Last() + 1
		l.AppendAsync([]eventlog.Record{{Index: i, Term: 1, Time: int64(i), Payload: secret(i)}}, func(err error) { must(t, err) })
		for w, ok := l.Begin(); ok; w, ok = l.Begin() {
			l.End(w, w.Do())
		}
	}
	must(t, l.Close())
}

func secret(i uint64) []byte { return bytes.Repeat([]byte(fmt.Sprintf("secret %d, ", i)), 40) }

// holds checks that a log has the records that fill wrote, and no others.
func holds(t *testing.T, cfg eventlog.Config, n uint64) {
	t.Helper()
	l, err := eventlog.Open(cfg)
	must(t, err)
	next := uint64(1)
	must(t, l.Replay(1, func(r eventlog.Record) error {
		if r.Index != next || !bytes.Equal(r.Payload, secret(next)) {
			t.Errorf("record %d is another", next)
		}
		next++
		return nil
	}))
	if next != n+1 {
		t.Errorf("%d records of %d", next-1, n)
	}
	must(t, l.Close())
}

// content returns the bytes of all segments.
func content(t *testing.T, fs *disk.Sim) (all []byte) {
	t.Helper()
	for _, name := range fs.Files() {
		if strings.HasSuffix(name, ".seg") {
			b, err := disk.ReadFile(fs, name)
			must(t, err)
			all = append(all, b...)
		}
	}
	return all
}

// TestEncrypted: nothing of a payload stands on the disk, and a log whose key is missing,
// unknown or wrong says so and is left as it is.
func TestEncrypted(t *testing.T) {
	fs, salt := disk.NewSim(1), uint64(1)
	good := sealedConfig(fs, &salt, fixed(1, 1))
	fill(t, good, 40)
	before := content(t, fs)
	if bytes.Contains(before, []byte("secret")) {
		t.Error("a payload can be read")
	}
	wrong := crypt.Callback{CurrentFunc: fixed(1, 1).Current, KeyFunc: func(uint32) (crypt.Key, error) { return testKey(2) }}
	for name, c := range map[string]struct {
		keys eventlog.KeyProvider
		want error
	}{"no keys": {nil, crypt.ErrNoKeys}, "unknown": {fixed(2, 2), crypt.ErrUnknownKey}, "wrong": {wrong, crypt.ErrWrongKey}} {
		cfg := sealedConfig(fs, &salt, c.keys)
		_, opened := eventlog.Open(cfg)
		_, verified := eventlog.Verify(cfg, nil)
		_, salvaged := eventlog.Salvage(cfg, nil)
		_, planned := eventlog.PlanRepair(cfg)
		for what, err := range map[string]error{"Open": opened, "Verify": verified, "Salvage": salvaged, "PlanRepair": planned} {
			var corrupt *eventlog.CorruptError
			if !errors.Is(err, c.want) || errors.As(err, &corrupt) || !strings.Contains(err.Error(), "00000000000000000001.seg") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	if !bytes.Equal(content(t, fs), before) {
		t.Error("the log was changed")
	}
	holds(t, good, 40)
	if _, err := eventlog.Verify(good, nil); err != nil {
		t.Error(err)
	}
}

// TestKeyRotation changes the key between segments, and begins with a log in the clear:
// all stays readable, and the chain is the same as without any key.
func TestKeyRotation(t *testing.T) {
	fs, salt := disk.NewSim(1), uint64(1)
	fill(t, config(fs, &salt), 20)
	fill(t, sealedConfig(fs, &salt, fixed(1, 1)), 20)
	clearBytes := bytes.Count(content(t, fs), []byte("secret"))
	fill(t, sealedConfig(fs, &salt, fixed(2, 1, 2)), 20)
	turned := sealedConfig(fs, &salt, turning())
	fill(t, turned, 80)
	holds(t, turned, 140)
	if n := bytes.Count(content(t, fs), []byte("secret")); n != clearBytes || n != 20*40 {
		t.Errorf("%d pieces in the clear, %d before the keys came", n, clearBytes)
	}
	if _, err := eventlog.Open(sealedConfig(fs, &salt, fixed(3, 2, 3))); !errors.Is(err, crypt.ErrUnknownKey) || !strings.Contains(err.Error(), "number 1") {
		t.Errorf("the first key is gone: %v", err)
	}
	sealed, err := eventlog.Verify(turned, nil)
	must(t, err)
	plainFS := disk.NewSim(2)
	fill(t, config(plainFS, &salt), 140)
	clear, err := eventlog.Verify(config(plainFS, &salt), nil)
	if err != nil || clear.Chain != sealed.Chain {
		t.Errorf("the chain depends on the keys: %v", err)
	}
}

// TestNoKeyForNewSegment: while the provider has no key the append is refused, and nothing
// of it is in the log, which goes on when there is a key again.
func TestNoKeyForNewSegment(t *testing.T) {
	fs, salt, down := disk.NewSim(1), uint64(1), error(nil)
	good := fixed(1, 1)
	keys := crypt.Callback{KeyFunc: good.Key, CurrentFunc: func() (uint32, crypt.Key, error) {
		if down != nil {
			return 0, crypt.Key{}, down
		}
		return good.Current()
	}}
	cfg := sealedConfig(fs, &salt, keys)
	fill(t, cfg, 3)
	l, err := eventlog.Open(cfg)
	must(t, err)
	down = errors.New("the key service is away")
	add := func() (err error) {
		l.AppendAsync([]eventlog.Record{{Index: l.Last() + 1, Payload: secret(l.Last() + 1)}}, func(e error) { err = e })
		for w, ok := l.Begin(); ok; w, ok = l.Begin() {
			l.End(w, w.Do())
		}
		return err
	}
	if err := add(); !errors.Is(err, eventlog.ErrNoKey) || !errors.Is(err, down) || l.Err() != nil || l.Last() != 3 {
		t.Fatalf("without a key: %v, %v, last %d", err, l.Err(), l.Last())
	}
	down = nil
	must(t, add())
	must(t, l.Close())
	holds(t, cfg, 4)

	down = errors.New("the key service is away")
	if _, err := eventlog.Open(sealedConfig(disk.NewSim(2), &salt, keys)); !errors.Is(err, eventlog.ErrNoKey) {
		t.Errorf("a new log without a key: %v", err)
	}
}

// tap is a disk that looks at every sealed frame on its way: which key and nonce seal
// which bytes.
type tap struct {
	*disk.Sim
	mu     *sync.Mutex
	seen   map[string][32]byte // sealed bytes' digest by salt and nonce
	twice  *int                // the same bytes once more
	broken *string
}

type tapFile struct {
	disk.File
	tap  *tap
	salt []byte // of the file's key; nil: not encrypted
}

func (d *tap) Open(name string, how disk.Mode) (disk.File, error) {
	f, err := d.Sim.Open(name, how)
	if err != nil {
		return nil, err
	}
	t := &tapFile{File: f, tap: d}
	head := make([]byte, 128)
	if n, err := f.ReadAt(head, 0); err == nil && n == len(head) {
		t.header(head)
	}
	return t, nil
}

func (f *tapFile) header(b []byte) {
	if string(b[:7]) == "LITHLOG" {
		f.salt = nil
		if !bytes.Equal(b[72:76], make([]byte, 4)) {
			f.salt = bytes.Clone(b[76:108])
		}
	}
}

func (f *tapFile) WriteAt(p []byte, off int64) (int, error) {
	if off == 0 {
		f.header(p)
	}
	if f.salt != nil && string(p[:4]) == "BRFL" {
		f.tap.note(f.salt, p)
	}
	return f.File.WriteAt(p, off)
}

// note takes down a frame. Its head is bound to it, so it belongs to what was sealed.
func (d *tap) note(salt, frame []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := string(salt) + string(frame[48:60])
	sum := sha256.Sum256(frame)
	if old, ok := d.seen[key]; ok {
		*d.twice++
		if old != sum {
			*d.broken = fmt.Sprintf("nonce %x under salt %x seals two frames", frame[48:60], salt)
		}
	}
	d.seen[key] = sum
}

// TestNonceIsNeverUsedTwice looks at all that is written by logs that are refused room in
// the midst of a frame, lose power, are truncated and opened again: no key and nonce ever
// seal two different frames.
func TestNonceIsNeverUsedTwice(t *testing.T) {
	frames, again, broken := 0, 0, ""
	for seed := range uint64(40) {
		sim, salt := disk.NewSim(seed), seed
		seen, mu := map[string][32]byte{}, new(sync.Mutex)
		for life := range 6 { // the same log again and again
			d := &tap{Sim: sim, mu: mu, seen: seen, twice: &again, broken: &broken}
			l, err := eventlog.Open(sealedConfig(d, &salt, turning()))
			must(t, err)
			for k := range 12 {
				n, fault := 0, error(&disk.PartError{N: 30 + 40*k, Err: syscall.ENOSPC})
				if k > 8 {
					fault = &disk.PartError{N: 20 * k, Err: disk.ErrPower}
				}
				sim.Hook(at(1+int(seed)%3, &n, func(op disk.Op) bool { return k%4 == 1 && op == disk.OpWrite }, fault))
				if last := l.Last(); k%5 == 4 && last > l.First() {
					l.TruncateAfterAsync(last-1, func(error) {})
				}
				l.AppendAsync([]eventlog.Record{{Index: l.Last() + 1, Payload: secret(uint64(100*life + k))}}, func(error) {})
				for w, ok := l.Begin(); ok; w, ok = l.Begin() {
					l.End(w, w.Do())
				}
			}
			sim.Hook(nil)
			if err := l.Close(); err != nil && life == 0 && seed == 0 {
				t.Log("closed with", err)
			}
			if sim = sim.Kill(); life%2 == 1 {
				sim = sim.Crash(uint64(life))
			}
		}
		frames += len(seen)
	}
	t.Logf("%d frames sealed, %d of them written again as they were", frames, again)
	if broken != "" || frames < 500 || again == 0 {
		t.Errorf("broken: %q", broken)
	}
}
