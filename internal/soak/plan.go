package soak

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// Config says what a run is like. Zero values take the defaults.
type Config struct {
	Length time.Duration // default 10 minutes; a round that has begun is ended
	Round  time.Duration // of faults in one round; default 45 s
	Seed   uint64        // faults and what clients do follow from it
	Dir    string        // for data; default a temporary folder. It is kept where something broke
	Every  time.Duration // between lines of progress; default 30 s
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		v *time.Duration
		d time.Duration
	}{{&c.Length, 10 * time.Minute}, {&c.Round, 45 * time.Second}, {&c.Every, 30 * time.Second}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	c.Round = min(c.Round, c.Length)
	return c
}

// Step is one fault of a plan.
type Step struct {
	At    time.Duration // since the round's beginning, at the earliest
	For   time.Duration
	Fault string
}

// Plan is what befalls the nodes, round by round.
type Plan struct {
	Seed   uint64
	Rounds [][]Step
}

// judgement is about how long checking a round takes, for the number of rounds that a plan has.
const judgement = 10 * time.Second

// NewPlan returns the plan that follows from the seed. Faults are dealt like cards, so that each comes before any comes again. A run goes on
// as long as its time does, with the plan's rounds from the beginning where it has more.
func NewPlan(c Config) Plan {
	c = c.withDefaults()
	p := Plan{Seed: c.Seed}
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	var deck []string
	for range max(1, int(c.Length/(c.Round+judgement))) {
		var steps []Step
		for at := pause(rng); ; {
			length := 700*time.Millisecond + time.Duration(rng.Int64N(int64(2300*time.Millisecond)))
			if at+length > c.Round {
				break
			}
			if len(deck) == 0 {
				deck = kinds()
				rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
			}
			steps = append(steps, Step{at.Round(time.Millisecond), length.Round(time.Millisecond), deck[0]})
			deck, at = deck[1:], at+length+pause(rng)
		}
		p.Rounds = append(p.Rounds, steps)
	}
	return p
}

// pause is how long nothing happens between two faults.
func pause(rng *rand.Rand) time.Duration {
	return 300*time.Millisecond + time.Duration(rng.Int64N(int64(1200*time.Millisecond)))
}

// kinds are the names of all faults.
func kinds() (list []string) {
	for _, f := range fleet.NetworkFaults {
		list = append(list, f.Name)
	}
	for _, f := range faults {
		list = append(list, f.name)
	}
	return list
}

// String is the plan, a line for each round.
func (p Plan) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "seed %d, %d rounds planned\n", p.Seed, len(p.Rounds))
	for i, steps := range p.Rounds {
		fmt.Fprintf(&out, "round %d:", i+1)
		for k, s := range steps {
			if k > 0 {
				out.WriteString(";")
			}
			fmt.Fprintf(&out, " %.1fs %s for %.1fs", s.At.Seconds(), s.Fault, s.For.Seconds())
		}
		out.WriteString("\n")
	}
	return out.String()
}
