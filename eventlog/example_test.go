package eventlog_test

import (
	"context"
	"fmt"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Records are durable when Append returns, and there when the log is opened again.
func Example() {
	fs := disk.NewSim(1) // a disk in memory; leave FS out for the real one
	log, err := eventlog.Open(eventlog.Config{FS: fs, Dir: "log"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, word := range []string{"one", "two", "three"} {
		if err := log.Append(eventlog.Record{Index: log.Last() + 1, Payload: []byte(word)}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("closed:", log.Close())

	log, err = eventlog.Open(eventlog.Config{FS: fs, Dir: "log"})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = log.Replay(2, func(r eventlog.Record) error {
		fmt.Println(r.Index, string(r.Payload))
		return nil
	})
	fmt.Println(err, log.Close())
	// Output:
	// closed: <nil>
	// 2 two
	// 3 three
	// <nil> <nil>
}

// A Reader waits at the end of the log for what becomes durable next.
func ExampleLog_Reader() {
	log, err := eventlog.Open(eventlog.Config{FS: disk.NewSim(1), Dir: "log"})
	if err != nil {
		fmt.Println(err)
		return
	}
	go log.AppendAsync([]eventlog.Record{{Index: 1, Payload: []byte("hello")}}, func(error) {})
	r, err := log.Reader(1).Next(context.Background())
	fmt.Println(r.Index, string(r.Payload), err)
	fmt.Println(log.Close())
	// Output:
	// 1 hello <nil>
	// <nil>
}

// In Manual mode the owner does the work, one step at a time: appends that wait are
// written as one batch, with one sync.
func ExampleLog_Begin() {
	log, err := eventlog.Open(eventlog.Config{FS: disk.NewSim(1), Dir: "log", Manual: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := uint64(1); i <= 3; i++ {
		log.AppendAsync([]eventlog.Record{{Index: i}}, func(err error) { fmt.Println("durable:", i, err) })
	}
	for work, ok := log.Begin(); ok; work, ok = log.Begin() {
		fmt.Println("before:", log.Durable(), "of", log.Last())
		log.End(work, work.Do())
	}
	fmt.Println(log.Close())
	// Output:
	// before: 0 of 3
	// durable: 1 <nil>
	// durable: 2 <nil>
	// durable: 3 <nil>
	// <nil>
}
