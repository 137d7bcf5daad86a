package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// Errors of a store.
var (
	// ErrNotFound: no file has that hash.
	ErrNotFound = errors.New("blob: not found")
	// ErrDamaged: a file's content is not what its name says.
	ErrDamaged = errors.New("blob: the file is damaged")
)

// TooLargeError says that a file is over Config.MaxBytes.
type TooLargeError struct{ Limit int64 }

// Error names the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("blob: the file is over the limit of %d bytes", e.Limit)
}

// Config says where a store lives and how. Dir is required.
type Config struct {
	Dir      string
	FS       disk.FS           // default: the real disk
	MaxBytes int64             // of one file; default 1 GiB; *[TooLargeError]
	Keys     crypt.KeyProvider // seal new files; default: not encrypted
	Clock    func() time.Time  // default time.Now
}

// Ref is a file by its content.
type Ref struct {
	Hash string // SHA-256, 64 hexadecimal digits, lower case
	Size int64  // bytes
}

// entry is what is known of a file without opening it.
type entry struct {
	size int64 // of the content; -1: not looked at yet
	used time.Time
}

// Store keeps files.
type Store struct {
	cfg  Config
	puts atomic.Uint64 // names of temporary files

	mu    sync.Mutex
	files map[string]entry
}

const (
	tempPrefix = "put-"
	tempSuffix = ".tmp"
	sealed     = "lithair/blob" // purpose of the keys
)

// Open opens a store; the directory is made when the first file is put. Uploads that were
// cut off are removed.
//
// Errors: those of the disk and of the keys.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.MaxBytes < 0 {
		return nil, errors.New("blob: Config: Dir is required, MaxBytes cannot be negative")
	}
	if cfg.FS == nil {
		cfg.FS = disk.Real()
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1 << 30
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	s := &Store{cfg: cfg, files: map[string]entry{}}
	names, err := s.list(cfg.Dir)
	if err != nil {
		return nil, err
	}
	now := cfg.Clock()
	for _, n := range names {
		if strings.HasPrefix(n, tempPrefix) && strings.HasSuffix(n, tempSuffix) {
			if err := cfg.FS.Remove(path.Join(cfg.Dir, n)); err != nil {
				return nil, fmt.Errorf("blob: %w", err)
			}
			continue
		}
		if err := s.find(n, now); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// list returns the names in a directory; none when it is not there.
func (s *Store) list(dir string) ([]string, error) {
	names, err := s.cfg.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return names, nil
}

// find notes the files of one folder.
func (s *Store) find(folder string, now time.Time) error {
	if len(folder) != 2 {
		return nil // not ours
	}
	names, err := s.list(path.Join(s.cfg.Dir, folder))
	for _, n := range names {
		if !ValidHash(n) || n[:2] != folder {
			continue
		}
		s.files[n] = entry{-1, now}
	}
	return err
}

// ValidHash says whether text is the hash of some file: 64 digits, lower case.
func ValidHash(text string) bool {
	if len(text) != hashDigits {
		return false
	}
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return true
}

func (s *Store) path(hash string) string { return path.Join(s.cfg.Dir, hash[:2], hash) }

// Put stores what r holds. It is durable on return. A file that is there already is
// replaced, so that one which was damaged is whole again; who reads it reads on.
//
// Errors: those of r and of the disk; *[TooLargeError]. Then nothing is left.
func (s *Store) Put(r io.Reader) (ref Ref, err error) {
	if err := s.cfg.FS.MkdirAll(s.cfg.Dir); err != nil {
		return ref, fmt.Errorf("blob: %w", err)
	}
	temp := path.Join(s.cfg.Dir, fmt.Sprintf("%s%d%s", tempPrefix, s.puts.Add(1), tempSuffix))
	w, err := Create(s.cfg.FS, temp, s.cfg.Keys)
	if err != nil {
		return ref, err
	}
	n, err := io.Copy(w, io.LimitReader(r, s.cfg.MaxBytes+1))
	if err == nil && n > s.cfg.MaxBytes {
		err = &TooLargeError{s.cfg.MaxBytes}
	}
	if err == nil {
		ref, err = w.Finish()
	} else {
		err = errors.Join(err, w.Abort())
	}
	if err == nil {
		err = s.place(temp, ref)
	}
	if err != nil {
		if e := s.cfg.FS.Remove(temp); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
		return Ref{}, fmt.Errorf("blob: %w", err)
	}
	return ref, nil
}

// place gives a file that is whole its name.
func (s *Store) place(temp string, ref Ref) error {
	folder := path.Join(s.cfg.Dir, ref.Hash[:2])
	if err := s.cfg.FS.MkdirAll(folder); err != nil {
		return err
	}
	s.mu.Lock() // held over the renaming, so that Collect does not remove what it names
	defer s.mu.Unlock()
	if err := s.cfg.FS.Rename(temp, s.path(ref.Hash)); err != nil {
		return err
	}
	if err := s.cfg.FS.SyncDir(folder); err != nil {
		return err
	}
	s.files[ref.Hash] = entry{ref.Size, s.cfg.Clock()}
	return nil
}

// Use says whether a file is there, and how large; it then stays for the time of grace.
// Whoever is about to name a file calls it first.
func (s *Store) Use(hash string) (size int64, ok bool) {
	s.mu.Lock()
	e, ok := s.files[hash]
	if ok {
		e.used = s.cfg.Clock()
		s.files[hash] = e
	}
	s.mu.Unlock()
	if !ok || e.size >= 0 {
		return e.size, ok
	}
	f, err := s.Open(hash) // it was there at the start, and is asked for the first time
	if err != nil {
		return 0, false
	}
	e.size = f.Size()
	s.mu.Lock()
	s.files[hash] = e
	s.mu.Unlock()
	return e.size, f.Close() == nil
}

// Has says whether a file is there; unlike Use it does not keep it there.
func (s *Store) Has(hash string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.files[hash]
	return ok
}

// Len returns how many files there are.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}

// Hashes returns the hashes of all files, sorted.
func (s *Store) Hashes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]string, 0, len(s.files))
	for h := range s.files {
		list = append(list, h)
	}
	slices.Sort(list)
	return list
}

// Collect removes the files that nothing names: of those that were neither put nor used for
// the time of grace, named takes out of the set the ones that something names. It is not
// called when there are none.
//
// Errors: those of named, and of the disk; files removed before stay removed.
func (s *Store) Collect(grace time.Duration, named func(unused map[string]bool) error) (removed int, err error) {
	before := s.cfg.Clock().Add(-grace)
	unused := s.unused(before)
	if len(unused) == 0 {
		return 0, nil
	}
	if err := named(unused); err != nil {
		return 0, err
	}
	for hash := range unused {
		gone, err := s.remove(hash, before)
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

func (s *Store) unused(before time.Time) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	unused := map[string]bool{}
	for h, e := range s.files {
		if e.used.Before(before) {
			unused[h] = true
		}
	}
	return unused
}

// remove removes a file unless it was used meanwhile.
func (s *Store) remove(hash string, before time.Time) (gone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, there := s.files[hash]; !there || !e.used.Before(before) {
		return false, nil
	}
	if err := s.cfg.FS.Remove(s.path(hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("blob: %w", err)
	}
	delete(s.files, hash)
	return true, nil
}
