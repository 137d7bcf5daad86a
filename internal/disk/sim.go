package disk

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"sort"
	"sync"
	"syscall"
)

// ErrPower is what every call on a [Sim] returns after its power failed.
var ErrPower = errors.New("disk: the power failed")

// Op names a kind of call, for hooks.
type Op string

// The kinds of calls a hook sees.
const (
	OpOpen     Op = "open"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
	OpAllocate Op = "allocate"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpList     Op = "list"
	OpMkdir    Op = "mkdir"
	OpSyncDir  Op = "syncdir"
	OpLock     Op = "lock"
)

// Sim is a file system in memory that remembers what is durable: after a power failure
// ([Sim.Crash]) unsynced writes may be kept, lost or torn, each by itself, and unsynced
// names likewise. It is safe for concurrent use.
type Sim struct {
	mu       sync.Mutex
	seed     uint64
	files    map[string]*inode // as processes see them
	dirs     map[string]bool
	durable  map[string]*inode // names that survive
	names    []nameOp          // since the last sync of their directory
	locks    map[string]bool
	dead     bool
	capacity int64 // bytes; 0: no limit
	hook     func(op Op, name string) error
}

// inode is a file's content.
type inode struct {
	data    []byte
	synced  []byte
	pending []change
}

// change is an unsynced change of content.
type change struct {
	off  int64
	data []byte // nil: set the size to off
}

// nameOp is an unsynced change of a directory.
type nameOp struct {
	dir       string
	name, old string // old: renamed from; name: created when node is set, else removed
	node      *inode
}

// NewSim returns an empty simulated disk. The seed decides what a crash does.
func NewSim(seed uint64) *Sim {
	return &Sim{seed: seed, files: map[string]*inode{}, dirs: map[string]bool{".": true, "/": true}, durable: map[string]*inode{}, locks: map[string]bool{}}
}

// PartError is what a hook returns to let a write put down its first N bytes and then
// fail with Err.
type PartError struct {
	N   int
	Err error
}

// Error says how far the write came.
func (e *PartError) Error() string { return fmt.Sprintf("after %d bytes: %v", e.N, e.Err) }

// Unwrap returns Err.
func (e *PartError) Unwrap() error { return e.Err }

// Hook sets a function that sees every call before it is carried out; an error it
// returns is the call's result, and nothing is done (but see [PartError]). It must not
// call the Sim; returning [ErrPower] ends the power.
func (s *Sim) Hook(fn func(op Op, name string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = fn
}

// SetCapacity bounds the bytes of all files; 0 lifts the bound.
func (s *Sim) SetCapacity(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = bytes
}

// PowerOff makes every further call fail with [ErrPower].
func (s *Sim) PowerOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

// Kill returns the disk as the next process finds it after this one was killed: nothing
// that was written is lost, and nothing more is durable than before. Locks are gone, and
// the receiver fails every further call with [ErrPower].
func (s *Sim) Kill() *Sim {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	after := NewSim(s.seed)
	after.capacity = s.capacity
	for d := range s.dirs {
		after.dirs[d] = true
	}
	copies := map[*inode]*inode{nil: nil}
	twin := func(n *inode) *inode {
		if copies[n] == nil && n != nil {
			copies[n] = &inode{slices.Clone(n.data), slices.Clone(n.synced), slices.Clone(n.pending)}
		}
		return copies[n]
	}
	for name, n := range s.files {
		after.files[name] = twin(n)
	}
	for name, n := range s.durable {
		after.durable[name] = twin(n)
	}
	for _, op := range s.names {
		op.node = twin(op.node)
		after.names = append(after.names, op)
	}
	return after
}

// Pending returns how many changes of content and of names are not durable.
func (s *Sim) Pending() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[*inode]bool{}
	for _, node := range s.files {
		if !seen[node] {
			seen[node] = true
			n += len(node.pending)
		}
	}
	return n + len(s.names)
}

// Crash returns the disk as it is found after a power failure now. What was synced is
// there; the seed decides about the rest. The receiver is not changed, so many outcomes
// of one moment can be looked at.
func (s *Sim) Crash(seed uint64) *Sim {
	s.mu.Lock()
	defer s.mu.Unlock()
	rng := rand.New(rand.NewPCG(s.seed, seed))
	mode := rng.IntN(4) // 0: all names lost, 1: all kept, else each by itself
	return s.crash(
		func() bool { return mode == 1 || mode > 1 && rng.IntN(2) == 1 },
		func(n *inode) []byte { return n.crash(rng) })
}

// crash builds the disk that is found when name says which changes of names survive, and
// content what is left of a file. s.mu is held.
func (s *Sim) crash(name func() bool, content func(*inode) []byte) *Sim {
	after := NewSim(s.seed)
	for d := range s.dirs {
		after.dirs[d] = true
	}
	names := map[string]*inode{}
	for n, node := range s.durable {
		names[n] = node
	}
	for _, op := range s.names {
		if name() {
			op.apply(names)
		}
	}
	order := make([]string, 0, len(names))
	for n := range names {
		order = append(order, n)
	}
	sort.Strings(order)
	found := map[*inode]*inode{}
	for _, n := range order {
		node := names[n]
		if found[node] == nil {
			data := content(node)
			found[node] = &inode{data: data, synced: slices.Clone(data)}
		}
		after.files[n], after.durable[n] = found[node], found[node]
	}
	return after
}

// CrashKeeping is Crash with the outcome named: bit i of keep says whether the i-th
// change that is not durable (of names, in order, then of contents, by name and in
// order) survives, whole. With Pending() <= 64 it reaches every subset.
func (s *Sim) CrashKeeping(keep uint64) *Sim {
	s.mu.Lock()
	defer s.mu.Unlock()
	take := func() bool {
		yes := keep&1 == 1
		keep >>= 1
		return yes
	}
	return s.crash(take, func(n *inode) []byte {
		data := slices.Clone(n.synced)
		for _, c := range n.pending {
			if take() {
				data = c.apply(data)
			}
		}
		return data
	})
}

func (op nameOp) apply(names map[string]*inode) {
	switch {
	case op.old != "":
		if names[op.old] == op.node {
			delete(names, op.old)
		}
		names[op.name] = op.node
	case op.node != nil:
		names[op.name] = op.node
	default:
		delete(names, op.name)
	}
}

// crash returns a content that may be found after a power failure.
func (n *inode) crash(rng *rand.Rand) []byte {
	data := slices.Clone(n.synced)
	mode := rng.IntN(4) // 0: all lost, 1: all kept, else each by itself
	for _, c := range n.pending {
		fate := rng.IntN(3)
		if mode == 0 {
			fate = 0
		} else if mode == 1 {
			fate = 1
		}
		switch fate {
		case 1:
			data = c.apply(data)
		case 2:
			data = c.torn(rng, data)
		}
	}
	return data
}

func (c change) apply(data []byte) []byte {
	if c.data == nil {
		if c.off <= int64(len(data)) {
			return data[:c.off]
		}
		return append(data, make([]byte, c.off-int64(len(data)))...)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[c.off:], c.data)
	return data
}

// torn applies a part of a write: single sectors of 512 or 4096 bytes are kept or lost,
// or the write stops at some byte.
func (c change) torn(rng *rand.Rand, data []byte) []byte {
	if c.data == nil {
		return data
	}
	switch unit := []int64{1, 512, 4096}[rng.IntN(3)]; unit {
	case 1:
		return change{c.off, c.data[:rng.IntN(len(c.data)+1)]}.apply(data)
	default:
		for at := c.off; at < c.off+int64(len(c.data)); {
			end := min((at/unit+1)*unit, c.off+int64(len(c.data)))
			if rng.IntN(2) == 0 {
				data = change{at, c.data[at-c.off : end-c.off]}.apply(data)
			}
			at = end
		}
		return data
	}
}

// call runs the hook and refuses everything without power. s.mu is held.
func (s *Sim) call(op Op, name string) error {
	if s.dead {
		return ErrPower
	}
	if s.hook == nil {
		return nil
	}
	err := s.hook(op, name)
	if errors.Is(err, ErrPower) {
		s.dead = true
	}
	if err != nil {
		return &os.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// Open implements [FS].
func (s *Sim) Open(name string, how Mode) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = path.Clean(name)
	if err := s.call(OpOpen, name); err != nil {
		return nil, err
	}
	node := s.files[name]
	switch {
	case node == nil && (how == ReadOnly || how == ReadWrite):
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	case node != nil && how == Exclusive:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrExist}
	case !s.dirs[path.Dir(name)]:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	case node == nil:
		node = &inode{}
		s.files[name] = node
		s.names = append(s.names, nameOp{dir: path.Dir(name), name: name, node: node})
	}
	return &simFile{s, node, name}, nil
}

// Rename implements [FS].
func (s *Sim) Rename(oldname, newname string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldname, newname = path.Clean(oldname), path.Clean(newname)
	if err := s.call(OpRename, oldname); err != nil {
		return err
	}
	node := s.files[oldname]
	if node == nil {
		return &os.PathError{Op: "rename", Path: oldname, Err: os.ErrNotExist}
	}
	delete(s.files, oldname)
	s.files[newname] = node
	s.names = append(s.names, nameOp{dir: path.Dir(newname), name: newname, old: oldname, node: node})
	return nil
}

// Remove implements [FS].
func (s *Sim) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = path.Clean(name)
	if err := s.call(OpRemove, name); err != nil {
		return err
	}
	if s.files[name] == nil {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	delete(s.files, name)
	s.names = append(s.names, nameOp{dir: path.Dir(name), name: name})
	return nil
}

// List implements [FS].
func (s *Sim) List(dir string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir = path.Clean(dir)
	if err := s.call(OpList, dir); err != nil {
		return nil, err
	}
	if !s.dirs[dir] {
		return nil, &os.PathError{Op: "list", Path: dir, Err: os.ErrNotExist}
	}
	names := []string{}
	for n := range s.files {
		if path.Dir(n) == dir {
			names = append(names, path.Base(n))
		}
	}
	for d := range s.dirs {
		if d != dir && path.Dir(d) == dir {
			names = append(names, path.Base(d))
		}
	}
	sort.Strings(names)
	return names, nil
}

// MkdirAll implements [FS].
func (s *Sim) MkdirAll(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(OpMkdir, dir); err != nil {
		return err
	}
	for d := path.Clean(dir); !s.dirs[d]; d = path.Dir(d) {
		if s.files[d] != nil {
			return fmt.Errorf("disk: %s is a file, not a directory", d)
		}
		s.dirs[d] = true
	}
	return nil
}

// SyncDir implements [FS].
func (s *Sim) SyncDir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir = path.Clean(dir)
	if err := s.call(OpSyncDir, dir); err != nil {
		return err
	}
	rest := s.names[:0]
	for _, op := range s.names {
		if op.dir == dir {
			op.apply(s.durable)
		} else {
			rest = append(rest, op)
		}
	}
	s.names = rest
	return nil
}

// Lock implements [FS].
func (s *Sim) Lock(name string) (io.Closer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(OpLock, name); err != nil {
		return nil, err
	}
	if s.locks[name] {
		return nil, &LockedError{Path: name}
	}
	s.locks[name] = true
	return simLock{s, name}, nil
}

type simLock struct {
	s    *Sim
	name string
}

func (l simLock) Close() error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	delete(l.s.locks, l.name)
	return nil
}

// Free implements [FS].
func (s *Sim) Free(string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capacity == 0 {
		return -1, nil
	}
	return max(s.capacity-s.used(), 0), nil
}

// Used returns the bytes of all files.
func (s *Sim) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used()
}

func (s *Sim) used() (n int64) {
	for _, node := range s.files {
		n += int64(len(node.data))
	}
	return n
}

// Flip inverts one bit of a file, durably.
func (s *Sim) Flip(name string, bit int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	node := s.files[path.Clean(name)]
	if node == nil || bit/8 >= int64(len(node.data)) {
		return fmt.Errorf("disk: %s has no bit %d", name, bit)
	}
	node.data[bit/8] ^= 1 << (bit % 8)
	if bit/8 < int64(len(node.synced)) {
		node.synced[bit/8] ^= 1 << (bit % 8)
	}
	return nil
}

// Files returns the names of all files, sorted.
func (s *Sim) Files() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for n := range s.files {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// simFile is an open file of a Sim.
type simFile struct {
	s    *Sim
	node *inode
	name string
}

func (f *simFile) Name() string { return f.name }
func (f *simFile) Close() error { return nil }

func (f *simFile) ReadAt(p []byte, off int64) (int, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.s.call(OpRead, f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// grow makes room up to a size, as far as the capacity allows; it returns how far.
func (f *simFile) grow(size int64) (int64, error) {
	have := int64(len(f.node.data))
	if size <= have {
		return size, nil
	}
	if f.s.capacity > 0 {
		if room := f.s.capacity - f.s.used(); size-have > room {
			return have + max(room, 0), &os.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
	}
	return size, nil
}

func (f *simFile) WriteAt(p []byte, off int64) (int, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.s.call(OpWrite, f.name); err != nil {
		var part *PartError
		if !errors.As(err, &part) || part.N <= 0 {
			return 0, err
		}
		p = p[:min(part.N, len(p))]
		n, full := f.write(p, off)
		return n, errors.Join(err, full)
	}
	return f.write(p, off)
}

// write puts p down as far as there is room. f.s.mu is held.
func (f *simFile) write(p []byte, off int64) (int, error) {
	end, full := f.grow(off + int64(len(p)))
	n := max(min(int64(len(p)), end-off), 0)
	if n > 0 {
		c := change{off, slices.Clone(p[:n])}
		f.node.data = c.apply(f.node.data)
		f.node.pending = append(f.node.pending, c)
	}
	return int(n), full
}

func (f *simFile) Sync() error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.s.call(OpSync, f.name); err != nil {
		if !errors.Is(err, ErrPower) {
			// as Linux does: the pages count as clean although they were not written
			f.node.pending = nil
		}
		return err
	}
	// Only what is pending reaches the disk: what an earlier failed sync dropped stays
	// dropped, although it can be read.
	for _, c := range f.node.pending {
		f.node.synced = c.apply(f.node.synced)
	}
	f.node.pending = nil
	return nil
}

func (f *simFile) Truncate(size int64) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.s.call(OpTruncate, f.name); err != nil {
		return err
	}
	if _, err := f.grow(size); err != nil {
		return err
	}
	c := change{off: size}
	f.node.data = c.apply(f.node.data)
	f.node.pending = append(f.node.pending, c)
	return nil
}

func (f *simFile) Allocate(off, n int64) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.s.call(OpAllocate, f.name); err != nil {
		return err
	}
	if int64(len(f.node.data)) >= off+n {
		return nil
	}
	if _, err := f.grow(off + n); err != nil {
		return err
	}
	c := change{off: off + n}
	f.node.data = c.apply(f.node.data)
	f.node.pending = append(f.node.pending, c)
	return nil
}

func (f *simFile) Size() (int64, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if f.s.dead {
		return 0, ErrPower
	}
	return int64(len(f.node.data)), nil
}
