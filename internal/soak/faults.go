package soak

import (
	"os"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// faults are those beside the network's. Each is over when do returns.
var faults = []struct {
	name string
	do   func(r *run, d time.Duration)
}{
	{killLeader, func(r *run, d time.Duration) { r.killFor(d, r.movedLeader()) }},
	{"another node is killed", func(r *run, d time.Duration) { r.killFor(d, r.follower()) }},
	{"two nodes are killed", func(r *run, d time.Duration) { r.killFor(d, 1, 2) }},
	{stopLeader, func(r *run, d time.Duration) { r.stopFor(d, r.f.Leader()) }},
	{stopFollower, func(r *run, d time.Duration) { r.stopFor(d, (r.f.Leader()+1)%nodes) }},
	{fullLeader, func(r *run, d time.Duration) { r.fillFor(d, r.movedLeader()) }},
	{fullFollower, func(r *run, d time.Duration) { r.fillFor(d, r.follower()) }},
	{"clients do not read", (*run).slowClients},
	{"a backup is taken and restored", func(r *run, _ time.Duration) { r.copyWhileRunning() }},
}

const (
	killLeader   = "the leader is killed"
	stopLeader   = "the leader is stopped"
	stopFollower = "another node is stopped"
	fullLeader   = "the disk of the leader is full"
	fullFollower = "the disk of another node is full"
)

// leaveOut notes what this machine cannot do.
func (r *run) leaveOut() {
	if !fleet.CanStop {
		for _, f := range []string{killLeader, stopLeader, stopFollower} { // where the first node leads, it is stopped for another to take over
			r.tally.leftOut(f, "a process cannot be stopped from outside")
		}
	}
	if resources(os.Getpid()).RSS == 0 {
		r.tally.leftOut("memory and descriptors as the system counts them", "there is no /proc")
	}
	for fault, why := range r.tally.left {
		r.t.Logf("left out: %s: %s", fault, why)
	}
}

// befall carries out a step.
func (r *run) befall(s Step) {
	if r.tally.left[s.Fault] != "" {
		return
	}
	r.tally.fault(s.Fault)
	for _, f := range fleet.NetworkFaults {
		if f.Name == s.Fault {
			f.Do(r.net, r.f.Leader(), s.For)
			r.net.Heal()
		}
	}
	for _, f := range faults {
		if f.name == s.Fault {
			f.do(r, s.For)
		}
	}
}

// movedLeader returns who leads, once that is not the first node: it lasts through the whole run, with its disk.
func (r *run) movedLeader() int {
	for {
		lead := r.f.Leader()
		if lead != 0 {
			return lead
		}
		r.f.Stop(0)
		r.f.Await("another node leads", func() bool {
			for i := range nodes {
				if n, ok := r.f.Ask(max(i, 1)); ok && n.Leads {
					return true
				}
			}
			return false
		})
		r.f.Continue(0)
	}
}

// follower returns a node that does not lead, and is not the first.
func (r *run) follower() int {
	if r.f.Leader() == 1 {
		return 2
	}
	return 1
}

func (r *run) killFor(d time.Duration, who ...int) {
	for _, i := range who {
		r.f.Kill(i)
	}
	time.Sleep(d)
	for _, i := range who {
		r.f.Start(i)
	}
}

func (r *run) stopFor(d time.Duration, who int) {
	r.f.Stop(who)
	time.Sleep(d)
	r.f.Continue(who)
}

// fillFor lets the disk of a node be full.
func (r *run) fillFor(d time.Duration, who int) {
	r.f.Stop(who)
	err := r.disks[who].fill()
	r.f.Continue(who)
	if err != nil {
		r.t.Errorf("the disk of node %d: %v", who+1, err)
	}
	time.Sleep(d)
	if err := r.disks[who].empty(); err != nil {
		r.t.Errorf("the disk of node %d: %v", who+1, err)
	}
}
