package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"strconv"

	"github.com/lithair/lithair-go/eventlog"
)

// evidence is what prove prints with -json. The proof is eventlog.Proof.Append's bytes.
type evidence struct {
	Index uint64 `json:"index"`
	Range uint64 `json:"range"`
	Root  string `json:"root"`
	Proof string `json:"proof"`
}

func setupProve(fs *flag.FlagSet) func(*console, input) error {
	json := fs.Bool("json", false, "print one JSON document")
	return func(c *console, in input) error {
		index, err := strconv.ParseUint(in.args[0], 10, 64)
		if err != nil || index == 0 {
			return &exitError{codeUsage, fmt.Errorf("%q is no index of the log; they are numbers from 1", in.args[0])}
		}
		dir, err := logDir(in.args[1])
		if err != nil {
			return err
		}
		return prove(c, eventlog.Config{Dir: dir, Keys: in.keys}, index, *json)
	}
}

// prove prints the Merkle root of a record's range and the proof that it is in it.
func prove(c *console, log eventlog.Config, index uint64, json bool) (err error) {
	l, err := eventlog.OpenReadOnly(log)
	if err != nil {
		return damaged(err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	p, root, err := l.Proof(index)
	if errors.Is(err, eventlog.ErrIncomplete) {
		return fmt.Errorf("%w: the range of record %d ends at %d, the log at %d", err, index, (eventlog.RangeOf(index)+1)*eventlog.RangeSize, l.Last())
	}
	if err != nil {
		return damaged(err)
	}
	e := evidence{Index: index, Range: eventlog.RangeOf(index), Root: hex.EncodeToString(root[:]), Proof: hex.EncodeToString(p.Append(nil))}
	if json {
		return c.printJSON(e)
	}
	_, err = fmt.Fprintf(c.out, "record %d, range %d (%d to %d)\nroot  %s\nproof %s\n", index, e.Range, e.Range*eventlog.RangeSize+1, (e.Range+1)*eventlog.RangeSize, e.Root, e.Proof)
	return err
}

// damaged gives an error its exit code if it says that the log is damaged.
func damaged(err error) error {
	var corrupt *eventlog.CorruptError
	if errors.As(err, &corrupt) {
		return &exitError{codeDamaged, err}
	}
	return err
}
