package consensus_test

import (
	"fmt"
	"log"

	"github.com/lithair/lithair-go/consensus"
)

// nothing is a Storage for examples: everything stays in memory.
type nothing struct{}

func (nothing) Entries(lo, hi uint64, maxBytes int) ([]consensus.Entry, error) {
	return nil, consensus.ErrCompacted
}
func (nothing) Snapshot() (consensus.Snapshot, bool) { return consensus.Snapshot{}, false }

// Three replicas in one goroutine: what a Ready asks for is done at once, so messages travel,
// and disks write, in no time. The first to be asked stands for election; what it is given
// comes out of all three.
func Example() {
	members := consensus.Voters(1, 2, 3)
	replicas := map[consensus.NodeID]*consensus.Replica{}
	for _, m := range members.Members {
		r, err := consensus.New(consensus.Config{ID: m.ID, Storage: nothing{}, Seed: uint64(m.ID)},
			consensus.Restart{Configs: []consensus.ConfigAt{{Membership: members}}})
		if err != nil {
			log.Fatal(err)
		}
		replicas[m.ID] = r
	}
	applied := 0
	settle := func() {
		for busy := true; busy; {
			busy = false
			for _, m := range members.Members {
				r := replicas[m.ID]
				for r.HasReady() {
					busy = true
					rd, err := r.Ready()
					if err != nil {
						log.Fatal(err)
					}
					r.Persisted(rd.Number) // a real one writes HardState and Entries, and syncs
					for _, msg := range rd.Messages {
						if err := replicas[msg.To].Step(msg); err != nil {
							log.Fatal(err)
						}
					}
					for _, e := range rd.Committed {
						if e.Kind == consensus.FirstKind {
							applied++
						}
						r.Applied(e.Index)
					}
				}
			}
		}
	}
	replicas[1].Campaign()
	settle()
	index, err := replicas[1].Propose(consensus.FirstKind, 1, []byte("x = 1"))
	settle()
	s := replicas[2].Status()
	fmt.Println("leader of term", s.Term, "is", s.Lead)
	fmt.Println("entry", index, "is applied by", applied, "replicas:", err)
	// Output:
	// leader of term 1 is 1
	// entry 2 is applied by 3 replicas: <nil>
}
