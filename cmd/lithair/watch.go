package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
)

// watcher says that something in a folder, or below it, may have changed.
type watcher interface {
	changed() <-chan struct{}
	look() // takes in folders that have come
	close()
}

// newWatcher watches by what the system tells, where it does, and else by looking again and again.
func newWatcher(dir string, poll time.Duration, c *cli.Console) watcher {
	w, err := systemWatcher(dir)
	if err == nil {
		return w
	}
	fmt.Fprintf(c.Err, "  looking for changes every %v: %v\n", poll, err)
	return newPoller(poll)
}

// poller is a watcher that does not know, and so always says that something may have changed.
type poller struct {
	c    chan struct{}
	done chan struct{}
}

func newPoller(every time.Duration) *poller {
	p := &poller{make(chan struct{}), make(chan struct{})}
	go func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-p.done:
				return
			case <-t.C:
			}
			select {
			case <-p.done:
				return
			case p.c <- struct{}{}:
			}
		}
	}()
	return p
}

func (p *poller) changed() <-chan struct{} { return p.c }
func (p *poller) look()                    {}
func (p *poller) close()                   { close(p.done) }

// folders lists a folder and those below it that may matter to a program.
func folders(dir string) (list []string) {
	// What cannot be read is not watched; building says why.
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir():
			return nil
		case path != dir && passedOver(path, e):
			return filepath.SkipDir
		}
		list = append(list, path)
		return nil
	})
	return list
}

// passedOver says that a file or folder does not matter to a program.
func passedOver(path string, e fs.DirEntry) bool {
	name := e.Name()
	return name[0] == '.' || e.IsDir() && (name == "node_modules" || name == "testdata" || isData(path))
}

// isData says that a folder is the data directory of an application, or is called like one and is no package: who
// watched it would start the program anew for what the program writes.
func isData(path string) bool {
	if _, err := os.Stat(filepath.Join(path, "log", "LOCK")); err == nil {
		return true
	}
	if filepath.Base(path) != "data" {
		return false
	}
	list, err := os.ReadDir(path)
	return err == nil && !slices.ContainsFunc(list, func(e fs.DirEntry) bool { return filepath.Ext(e.Name()) == ".go" })
}
