package fleet

import "time"

// NetworkFaults are what the network between three nodes does; lead is the node that leads. Each lasts for d, and is over when
// Heal is called.
var NetworkFaults = []struct {
	Name string
	Do   func(n *Network, lead int, d time.Duration)
}{
	{"the leader is cut off", func(n *Network, lead int, d time.Duration) {
		n.Set(Way{Cut: true}, []int{lead}, all)
		time.Sleep(d)
	}},
	{"the leader is not heard", func(n *Network, lead int, d time.Duration) {
		n.Set(Way{Held: true}, []int{lead}, all)
		time.Sleep(d)
	}},
	{"the leader hears nobody", func(n *Network, lead int, d time.Duration) {
		n.Set(Way{Held: true}, all, []int{lead})
		time.Sleep(d)
	}},
	{"the leader is in a black hole", func(n *Network, lead int, d time.Duration) {
		n.Set(Way{Held: true}, []int{lead}, all)
		n.Set(Way{Held: true}, all, []int{lead})
		time.Sleep(d)
	}},
	{"one link of the leader is cut", func(n *Network, lead int, d time.Duration) {
		n.Set(Way{Cut: true}, []int{lead}, []int{(lead + 1) % 3})
		time.Sleep(d)
	}},
	{"all is slow", func(n *Network, _ int, d time.Duration) {
		n.Set(Way{Delay: 20 * time.Millisecond}, all, all)
		time.Sleep(d)
	}},
	{"connections of the leader are half-open", func(n *Network, lead int, d time.Duration) {
		n.HalfOpen(lead)
		time.Sleep(d)
	}},
	{"links flap", func(n *Network, lead int, d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			n.Set(Way{Cut: true}, []int{lead}, all)
			time.Sleep(60 * time.Millisecond)
			n.Heal()
			time.Sleep(90 * time.Millisecond)
		}
	}},
	{"nobody hears anybody", func(n *Network, _ int, d time.Duration) {
		n.Set(Way{Held: true}, all, all)
		time.Sleep(d)
	}},
}

var all = []int{0, 1, 2}
