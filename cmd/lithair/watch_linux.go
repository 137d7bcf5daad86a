package main

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// inotify is a watcher by inotify(7).
type inotify struct {
	dir    string
	fd     int
	file   *os.File // the same, which the runtime waits for
	c      chan struct{}
	closed sync.Once
}

// settle is how long it stays quiet behind a change: editors write in several steps.
const settle = 15 * time.Millisecond

func systemWatcher(dir string) (watcher, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &inotify{dir: dir, fd: fd, file: os.NewFile(uintptr(fd), "inotify"), c: make(chan struct{}, 1)}
	if err := w.add(); err != nil {
		w.close()
		return nil, err
	}
	go w.run()
	return w, nil
}

// add watches all folders; those that are watched already stay as they are.
func (w *inotify) add() error {
	for _, dir := range folders(w.dir) {
		if _, err := syscall.InotifyAddWatch(w.fd, dir, syscall.IN_CLOSE_WRITE|syscall.IN_CREATE|syscall.IN_DELETE|syscall.IN_MOVED_FROM|syscall.IN_MOVED_TO|syscall.IN_ATTRIB); err != nil {
			return fmt.Errorf("%s: %w", dir, os.NewSyscallError("inotify_add_watch", err))
		}
	}
	return nil
}

// run reads events until the file is closed. What they say does not matter: who is told looks
// at the files itself.
func (w *inotify) run() {
	buf := make([]byte, 64<<10)
	for {
		if _, err := w.file.Read(buf); err != nil {
			return
		}
		time.Sleep(settle)
		select {
		case w.c <- struct{}{}:
		default: // it has not looked since
		}
	}
}

func (w *inotify) changed() <-chan struct{} { return w.c }

// look watches new folders, too. One that has gone again meanwhile is no matter.
func (w *inotify) look() { _ = w.add() }

func (w *inotify) close() {
	w.closed.Do(func() {
		if err := w.file.Close(); err != nil {
			panic("lithair dev: inotify: " + err.Error()) // a descriptor of our own
		}
	})
}
