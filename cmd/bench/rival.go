package main

import (
	stdjson "encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// runRival serves what a layer is measured against: "http" the plain pages of the wire layer, "tcp" an echo without any
// protocol, the others /items.
func runRival(args []string) error {
	if len(args) == 0 || !slices.Contains([]string{"memory", "turns", "parallel", "http", "tcp"}, args[0]) {
		return fmt.Errorf("want memory, turns, parallel, http or tcp")
	}
	fs := flag.NewFlagSet("bench rival", flag.ExitOnError)
	addr := fs.String("addr", "127.0.0.1:9001", "address to listen on")
	data := fs.String("data", "", "folder for the file of turns and parallel")
	records := fs.Int("records", 0, "records to begin with")
	parse(fs, args[1:])
	switch args[0] {
	case "http":
		return serveUntilInputEnds(*addr, pagesOnNetHTTP())
	case "tcp":
		return echoTCP(*addr)
	}
	return rivalItems(args[0], *addr, *data, *records)
}

// rivalItems serves /items the way one would write it on net/http in half an hour: a map,
// a sync.RWMutex and encoding/json. "memory" keeps records in memory alone; "turns" and
// "parallel" make each durable by a write and an fdatasync of its own before they answer:
// one after the other under a lock, or as many at once as there are requests.
func rivalItems(how, addr, data string, records int) error {
	r := &rival{items: map[string]Item{}}
	for n := range records {
		r.items[itemID(n)] = newItem(itemID(n))
	}
	if how != "memory" {
		var err error
		if r.file, err = openSyncFile(filepath.Join(data, "items")); err != nil {
			return err
		}
		r.file.turns = how == "turns"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", r.get)
	mux.HandleFunc("POST /items", r.post)
	return serveUntilInputEnds(addr, mux)
}

func serveUntilInputEnds(addr string, h http.Handler) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- http.Serve(l, h) }()
	select {
	case err := <-ended:
		return err
	case <-inputEnds():
		return nil
	}
}

type rival struct {
	mu    sync.RWMutex
	items map[string]Item
	file  *syncFile // nil: memory alone
}

func (r *rival) get(w http.ResponseWriter, q *http.Request) {
	r.mu.RLock()
	it, ok := r.items[q.PathValue("id")]
	r.mu.RUnlock()
	if !ok {
		http.NotFound(w, q)
		return
	}
	reply(w, http.StatusOK, it)
}

func (r *rival) post(w http.ResponseWriter, q *http.Request) {
	var it Item
	if err := stdjson.NewDecoder(q.Body).Decode(&it); err != nil || it.ID == "" {
		http.Error(w, "bad item", http.StatusBadRequest)
		return
	}
	if r.file != nil {
		b, err := stdjson.Marshal(it)
		if err == nil {
			err = r.file.append(b)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	r.mu.Lock()
	r.items[it.ID] = it
	r.mu.Unlock()
	reply(w, http.StatusCreated, it)
}

func reply(w http.ResponseWriter, status int, it Item) {
	b, err := stdjson.Marshal(it)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
}

// syncFile appends records, each with a write and an fdatasync of its own. With turns
// the lock is held meanwhile, as one would first write it; without, a place is reserved
// under the lock and written and synced outside it, which is the best that one sync a
// request can do: the file system may merge some. Blocks are zeroed beforehand, so that
// a sync has no file size to journal; when they are used up it begins again.
type syncFile struct {
	f     *os.File
	turns bool
	mu    sync.Mutex
	next  int64
}

const syncFileBytes = 64 << 20

func openSyncFile(name string) (*syncFile, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < syncFileBytes; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, at); err != nil {
			return nil, err
		}
	}
	return &syncFile{f: f}, f.Sync()
}

func (s *syncFile) append(b []byte) error {
	if s.turns {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.write(b, s.reserve(len(b)))
	}
	s.mu.Lock()
	at := s.reserve(len(b))
	s.mu.Unlock()
	return s.write(b, at)
}

// reserve returns where the next n bytes go; the lock is held.
func (s *syncFile) reserve(n int) int64 {
	if s.next+int64(n) > syncFileBytes {
		s.next = 0
	}
	at := s.next
	s.next += int64(n)
	return at
}

func (s *syncFile) write(b []byte, at int64) error {
	if _, err := s.f.WriteAt(b, at); err != nil {
		return err
	}
	return datasync(s.f)
}
