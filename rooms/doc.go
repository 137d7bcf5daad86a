// Package rooms is messages between clients that need no storage: rooms with one order each, and who is present in
// them, across the nodes of a cluster.
//
//	c := rooms.NewCore(rooms.CoreConfig{Self: 1, Epoch: epoch, Options: func(room string) *rooms.Options { return &opts }})
//	c.Connect(now, 7, "ada")
//	if err := c.Join(now, 7, "chat/1", `"ref"`, nil); err != nil { ... }
//	if err := c.Send(now, 7, "chat/1", `"ref"`, "", data); err != nil { ... }
//	out := c.Take() // frames for clients, messages for other nodes
//
// # Order
//
// The messages of a room are numbered by one node, its owner: the live node with the greatest hash of its own and
// the room's name. Nodes with members in the room attach to the owner. They see each message once and in the owner's
// order, and each sender's messages in the order in which they were sent. The sender has its answer when its own node has the
// message with its number.
//
// When an owner dies another takes over within about a second, with what the nodes have that were attached: a new order
// (epoch) goes on from there. What the sender has no answer for is sent again, once: each node knows the newest message of each
// origin that it has seen. Lost is what only nodes had that died.
//
// Behind a partition each side has owners of its own and goes on. When it heals, messages of the side that ends are ordered
// again by the other, where that has not seen newer ones of the same node. So between sides a message may be missing, none comes twice.
// A node that lost its clock's progress (see CoreConfig.Epoch) is told so by the others; messages under way then may come twice.
//
// Nothing of this is on disk. What has to last is a record of a model, and a live query shows it.
//
// # Presence
//
// A user is present in a room while one of its connections on any live node is in it. Each node says so of its own connections,
// and of no others: all it has when two nodes meet or something was missed, then what changes. With the first word of a
// node that was started again its old connections are gone; those of a node that is silent for a second are too.
//
// # Limits
//
// See [Options] and [CoreConfig]; a room's name has at most 200 bytes, a user's 256.
//
// # Reading the source
//
// The core is pure: message.go (what nodes tell each other), frame.go (what clients get), limit.go, core.go, peers.go (who is alive,
// what was missed), room.go (members), owner.go (order), presence.go. sim_test.go runs it all over a network that is broken.
package rooms
