package cli

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/jsonx"
)

// Verdict is what verify and repair print with -json.
type Verdict struct {
	Sound    bool     `json:"sound"`
	First    uint64   `json:"first"`
	Last     uint64   `json:"last"`
	Records  uint64   `json:"records"`
	Segments int      `json:"segments"`
	Chain    string   `json:"chain"`              // at the last index that is sound
	NoChain  bool     `json:"no_chain,omitempty"` // verify: the log has none; checksums alone were looked at
	Torn     int64    `json:"torn_bytes,omitempty"`
	Indexes  int      `json:"indexes,omitempty"`       // verify: index files that say what their segments hold
	Stale    []string `json:"stale_indexes,omitempty"` // verify: index files that the next start makes anew
	Roots    int      `json:"roots,omitempty"`         // verify: Merkle roots that fit their records
	Damaged  []damage `json:"damaged,omitempty"`
	Keep     *uint64  `json:"keep,omitempty"` // repair: the log ends here
	Lost     uint64   `json:"lost,omitempty"` // repair: readable records behind that
	Aside    []string `json:"aside,omitempty"`
	Done     bool     `json:"done,omitempty"` // repair: carried out
}

type damage struct {
	Segment string `json:"segment"`
	Offset  int64  `json:"offset"`
	End     int64  `json:"end"`
	First   uint64 `json:"first"`
	Last    uint64 `json:"last,omitempty"` // absent: unknown
	Reason  string `json:"reason"`
}

func judge(s *eventlog.Survey) Verdict {
	v := Verdict{Sound: len(s.Damaged) == 0, First: s.First, Last: s.Last, Records: s.Records, Segments: s.Segments, Chain: hex.EncodeToString(s.Chain[:])}
	if s.Torn != nil {
		v.Torn = s.Torn.End - s.Torn.Offset
	}
	for _, d := range s.Damaged {
		v.Damaged = append(v.Damaged, damage(d))
	}
	return v
}

// PrintJSON prints a document as one line.
func (c *Console) PrintJSON(v any) error {
	line, err := jsonx.Append(nil, v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s\n", line)
	return err
}

func (c *Console) printDamage(all []eventlog.Damage) {
	for _, d := range all {
		missing := fmt.Sprintf("records %d to %d", d.First, d.Last)
		switch {
		case d.Last == 0:
			missing = fmt.Sprintf("records %d and later", d.First)
		case d.Last == d.First:
			missing = fmt.Sprintf("record %d", d.First)
		case d.Last < d.First:
			missing = "no record"
		}
		fmt.Fprintf(c.Out, "damaged: %s, bytes %d to %d, %s: %s\n", d.Segment, d.Offset, d.End, missing, d.Reason)
	}
}

func setupVerify(fs *flag.FlagSet) func(*Console, eventlog.Config) error {
	json := fs.Bool("json", false, "print one JSON document")
	return func(c *Console, log eventlog.Config) error { return verify(c, log, *json) }
}

func chainText(v *Verdict) string {
	if v.NoChain {
		return "which have no chain: checksums alone were looked at"
	}
	return "chain " + v.Chain
}

// verify checks the chain too, which takes a log without gaps; where that fails, a
// second pass finds all that is damaged.
func verify(c *Console, log eventlog.Config, json bool) error {
	r, err := eventlog.Verify(log, nil)
	if err == nil {
		v := Verdict{Sound: true, First: r.First, Last: r.Last, Records: r.Records, Segments: r.Segments, Chain: hex.EncodeToString(r.Chain[:]), NoChain: !r.Chained, Torn: r.TornBytes,
			Indexes: r.Indexes, Stale: r.Stale, Roots: r.Roots}
		if json {
			return c.PrintJSON(v)
		}
		fmt.Fprintf(c.Out, "sound: %d records (%d to %d) in %d segments, %s\n", v.Records, v.First, v.Last, v.Segments, chainText(&v))
		fmt.Fprintf(c.Out, "index files: %d sound, with %d Merkle roots that fit\n", v.Indexes, v.Roots)
		for _, name := range v.Stale {
			fmt.Fprintf(c.Out, "index file: %s cannot be used; the next start makes it anew\n", name)
		}
		if v.Torn > 0 {
			fmt.Fprintf(c.Out, "torn: %d bytes at the end, of a batch that was never acknowledged; the next start cuts them\n", v.Torn)
		}
		return nil
	}
	var corrupt *eventlog.CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	s, failed := eventlog.Salvage(log, nil)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if len(s.Damaged) == 0 { // all checksums fit, and what they protect does not
		s.Damaged = []eventlog.Damage{{Segment: corrupt.Segment, Offset: corrupt.Offset, End: corrupt.Offset, First: corrupt.Index, Reason: corrupt.Reason}}
	}
	if json {
		err = c.PrintJSON(judge(&s))
	} else {
		c.printDamage(s.Damaged)
		err = nil
	}
	return errors.Join(&ExitError{CodeDamaged, err})
}
