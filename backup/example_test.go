package backup_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// A stopped directory goes into a file, and comes out of it as it was at any moment.
func Example() {
	files := disk.NewSim(1) // nil is the real disk
	e, err := engine.New(engine.Config{Logger: quiet, Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: "data/log", FS: files, Logger: quiet})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink})
	}})
	ctx := context.Background()
	if err == nil {
		err = e.Start(ctx)
	}
	if err == nil {
		err = e.Close(ctx)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	made, err := backup.WriteDir(ctx, &file, files, "data", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := backup.Restore(&file, backup.Options{Dir: "copy", FS: files})
	fmt.Println(made.Hash == done.AtHash, err)
	// Output: true <nil>
}
