package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// interrupts is what has to be done before this process gives way to SIGINT or SIGTERM: servers that it started end, and folders
// of data go.
var interrupts struct {
	mu    sync.Mutex // held for good once it is interrupted
	next  int
	tasks map[int]func() error
	catch sync.Once
}

// onInterrupt has fn called, among others, in no order, when the process is interrupted, until undo is called. undo does not
// return from then on: nobody who finds that servers have gone reports it, or ends the process too early.
func onInterrupt(fn func() error) (undo func()) {
	interrupts.catch.Do(func() {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
		go func() { giveWay(<-caught) }()
	})
	interrupts.mu.Lock()
	defer interrupts.mu.Unlock()
	if interrupts.tasks == nil {
		interrupts.tasks = map[int]func() error{}
	}
	interrupts.next++
	id := interrupts.next
	interrupts.tasks[id] = fn
	return func() {
		interrupts.mu.Lock()
		defer interrupts.mu.Unlock()
		delete(interrupts.tasks, id)
	}
}

func giveWay(s os.Signal) {
	interrupts.mu.Lock()
	for range 2 { // a server may have written until it was ended
		for _, fn := range interrupts.tasks {
			if err := fn(); err != nil {
				fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			}
		}
	}
	fmt.Fprintf(os.Stderr, "bench: %v: nothing is reported\n", s)
	os.Exit(130)
}
