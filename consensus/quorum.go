package consensus

import "slices"

// A quorum of a configuration is a majority of its voters; in a joint configuration, a
// majority of the old ones and a majority of the new ones (§4.3).

// agreed returns the highest number that a majority has reached; with no voters there is
// nothing to wait for, which is the largest number.
func agreed(voters []NodeID, reached func(NodeID) uint64) uint64 {
	if len(voters) == 0 {
		return 1<<64 - 1
	}
	var few [12]uint64
	numbers := few[:0]
	for _, id := range voters {
		numbers = append(numbers, reached(id))
	}
	slices.Sort(numbers)
	return numbers[(len(numbers)-1)/2]
}

// agreed returns the highest number that a quorum has reached.
func (c *config) agreed(reached func(NodeID) uint64) uint64 {
	return min(agreed(c.voters, reached), agreed(c.outgoing, reached))
}

// tally is how an election stands.
type tally uint8

const (
	pending tally = iota
	won
	lost
)

func count(voters []NodeID, votes map[NodeID]bool) tally {
	yes, no := 0, 0
	for _, id := range voters {
		if granted, answered := votes[id]; granted {
			yes++
		} else if answered {
			no++
		}
	}
	switch need := len(voters)/2 + 1; {
	case len(voters) == 0 || yes >= need:
		return won
	case len(voters)-no < need:
		return lost
	}
	return pending
}

// tally counts votes: won with a quorum, lost when none can be reached any more.
func (c *config) tally(votes map[NodeID]bool) tally {
	a, b := count(c.voters, votes), count(c.outgoing, votes)
	switch {
	case a == lost || b == lost:
		return lost
	case a == won && b == won:
		return won
	}
	return pending
}
