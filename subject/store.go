package subject

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// ID names a key. It says nothing about the subject.
type ID = [16]byte

// Key is a key of AES-256.
type Key = [32]byte

// Config says where keys are kept. Dir is required.
type Config struct {
	Dir  string
	FS   disk.FS           // default: the real disk
	Keys crypt.KeyProvider // seal the files; default: not encrypted
}

const (
	chunkKeys = 256
	entrySize = 16 + 32
	suffix    = ".keys"
	purpose   = "lithair/subjects"
)

var (
	magic      = [8]byte{'L', 'I', 'T', 'H', 'K', 'E', 'Y', 1}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// DamageError says that a file of keys is not what was written.
type DamageError struct {
	File   string
	Reason string
}

// Error names the file.
func (e *DamageError) Error() string {
	return fmt.Sprintf("subject: %s is damaged: %s. Restore it from a backup: what is sealed with its keys cannot be read without", e.File, e.Reason)
}

type held struct {
	key   Key
	chunk int
}

// Store keeps keys.
type Store struct {
	cfg Config

	mu     sync.Mutex
	keys   map[ID]held
	chunks map[int][]ID // in the order of the file
	gone   map[ID]bool  // destroyed; their ids stay in the files, with zeros for a key
	last   int
	free   []ID
	taken  map[ID]bool // before Settle; nil behind it
}

// Open reads all keys. None is free before Settle, but new ones can be made.
//
// Errors: *[DamageError]; those of the disk and of Config.Keys.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("subject: Config.Dir is empty")
	}
	if cfg.FS == nil {
		cfg.FS = disk.Real()
	}
	s := &Store{cfg: cfg, keys: map[ID]held{}, chunks: map[int][]ID{}, gone: map[ID]bool{}, taken: map[ID]bool{}}
	names, err := cfg.FS.List(cfg.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("subject: %w", err)
	}
	for _, n := range names {
		digits, ok := strings.CutSuffix(n, suffix)
		number, err := strconv.Atoi(digits)
		if !ok || len(digits) != 8 || err != nil {
			continue
		}
		plain, err := ReadFile(cfg, n)
		if err != nil {
			return nil, err
		}
		if err := s.load(number, n, plain); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ReadFile returns what is in a file of keys, unsealed.
func ReadFile(cfg Config, name string) ([]byte, error) {
	name = path.Join(cfg.Dir, name)
	b, err := disk.ReadFile(cfg.FS, name)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	src := bytes.NewReader(b)
	if sealed, err := crypt.IsStream(src); err != nil || !sealed {
		return b, err
	}
	r, err := crypt.OpenStream(src, int64(len(b)), cfg.Keys, purpose)
	if err == nil {
		b, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	}
	if errors.Is(err, crypt.ErrDamaged) {
		return nil, &DamageError{name, err.Error()}
	}
	if err != nil {
		return nil, fmt.Errorf("subject: %s: %w", name, err)
	}
	return b, nil
}

// WriteFile puts what ReadFile returned into a file, durably and whole or not at all,
// sealed where there are keys.
func WriteFile(cfg Config, name string, plain []byte) error {
	if err := check(plain); err != "" {
		return &DamageError{name, err}
	}
	if cfg.Keys != nil {
		var b bytes.Buffer
		w, err := crypt.NewStreamWriter(&b, cfg.Keys, purpose)
		if err == nil {
			_, err = w.Write(plain)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return fmt.Errorf("subject: %w", err)
		}
		plain = b.Bytes()
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	if err := disk.WriteFileAtomic(cfg.FS, path.Join(cfg.Dir, name), plain); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	return nil
}

// check returns why b is no file of keys, or "".
func check(b []byte) (problem string) {
	n := len(b) - len(magic) - 4
	switch {
	case n < 0 || n%entrySize != 0:
		return "its length is none of a file of keys"
	case string(b[:7]) != string(magic[:7]):
		return "the magic is missing"
	case b[7] != magic[7]:
		return fmt.Sprintf("format version %d; this release knows %d", b[7], magic[7])
	case binary.LittleEndian.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], castagnoli):
		return "the checksum does not fit"
	}
	return ""
}

func (s *Store) load(number int, name string, b []byte) error {
	if problem := check(b); problem != "" {
		return &DamageError{path.Join(s.cfg.Dir, name), problem}
	}
	ids := []ID{}
	for b = b[len(magic) : len(b)-4]; len(b) > 0; b = b[entrySize:] {
		id := ID(b[:16])
		ids = append(ids, id)
		if key := Key(b[16:entrySize]); key == (Key{}) {
			s.gone[id] = true
		} else {
			s.keys[id] = held{key, number}
		}
	}
	s.chunks[number] = ids
	s.last = max(s.last, number)
	return nil
}

// write writes one file anew, with zeros for keys that keys does not hold.
func (s *Store) write(number int, ids []ID, keys map[ID]held) error {
	b := append([]byte(nil), magic[:]...)
	for _, id := range ids {
		k := keys[id].key
		b = append(append(b, id[:]...), k[:]...)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return WriteFile(s.cfg, fmt.Sprintf("%08d%s", number, suffix), b)
}

// Settle says which keys have a subject; all others are free that were not taken.
func (s *Store) Settle(used map[ID]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = nil
	defer func() { s.taken = nil }()
	for _, ids := range s.chunks {
		for _, id := range ids {
			if !used[id] && !s.taken[id] && !s.gone[id] {
				s.free = append(s.free, id)
			}
		}
	}
}

// Take returns a key that nothing is sealed with. One time in 256 it writes a file with
// more of them, and syncs it.
//
// Errors: those of the disk and of Config.Keys.
func (s *Store) Take() (id ID, key Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		if err := s.refill(); err != nil {
			return id, key, err
		}
	}
	id = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	if s.taken != nil {
		s.taken[id] = true
	}
	return id, s.keys[id].key, nil
}

func (s *Store) refill() error {
	number := s.last + 1
	fresh, ids := map[ID]held{}, []ID{}
	for range chunkKeys {
		var b [entrySize]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("subject: %w", err)
		}
		id := ID(b[:16])
		fresh[id] = held{Key(b[16:]), number}
		ids = append(ids, id)
	}
	if err := s.write(number, ids, fresh); err != nil {
		return err
	}
	for id, h := range fresh {
		s.keys[id] = h
	}
	s.chunks[number], s.last = ids, number
	s.free = append(s.free, ids...)
	return nil
}

// Key returns a key; ok is false when there is none of that id, or no longer.
func (s *Store) Key(id ID) (key Key, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.keys[id]
	return h.key, ok
}

// Destroyed says that a key was destroyed by Forget; false for ids that were never here.
func (s *Store) Destroyed(id ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[id]
}

// Forget destroys a key, durably; without effect when it is gone already. On an error the
// key may still be on the disk, and is still there: call it again.
func (s *Store) Forget(id ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.keys[id]
	if !ok {
		return nil
	}
	delete(s.keys, id)
	if err := s.write(h.chunk, s.chunks[h.chunk], s.keys); err != nil {
		s.keys[id] = h
		return err
	}
	s.gone[id] = true
	return nil
}
