package cli

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"strconv"

	"github.com/lithair/lithair-go/eventlog"
)

// Evidence is what prove prints with -json. The proof is eventlog.Proof.Append's bytes.
type Evidence struct {
	Index uint64 `json:"index"`
	Range uint64 `json:"range"`
	Root  string `json:"root"`
	Proof string `json:"proof"`
}

func setupProve(fs *flag.FlagSet) func(*Console, Input) error {
	json := fs.Bool("json", false, "print one JSON document")
	return func(c *Console, in Input) error {
		index, err := strconv.ParseUint(in.Args[0], 10, 64)
		if err != nil || index == 0 {
			return &ExitError{CodeUsage, fmt.Errorf("%q is no index of the log; they are numbers from 1", in.Args[0])}
		}
		dir, err := logDir(in.Args[1])
		if err != nil {
			return err
		}
		return prove(c, eventlog.Config{Dir: dir, Keys: in.Keys}, index, *json)
	}
}

// prove prints the Merkle root of a record's range and the proof that it is in it.
func prove(c *Console, log eventlog.Config, index uint64, json bool) (err error) {
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
	e := Evidence{Index: index, Range: eventlog.RangeOf(index), Root: hex.EncodeToString(root[:]), Proof: hex.EncodeToString(p.Append(nil))}
	if json {
		return c.PrintJSON(e)
	}
	_, err = fmt.Fprintf(c.Out, "record %d, range %d (%d to %d)\nroot  %s\nproof %s\n", index, e.Range, e.Range*eventlog.RangeSize+1, (e.Range+1)*eventlog.RangeSize, e.Root, e.Proof)
	return err
}

// damaged gives an error its exit code if it says that the log is damaged.
func damaged(err error) error {
	var corrupt *eventlog.CorruptError
	if errors.As(err, &corrupt) {
		return &ExitError{CodeDamaged, err}
	}
	return err
}
