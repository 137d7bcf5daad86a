// Package fleet runs clusters of real processes, does them harm, and judges what their clients saw. Its users
// are the tests of package clustertest, and bench soak.
//
//	fleet.RunNode(node.Run)               // first of all: in a process that is a node it does not return
//	network := fleet.NewNetwork(t)        // proxies between the nodes
//	f := fleet.New(t, fleet.Options{Nodes: 3, Network: network})
//	f.StartAll()
//	r := f.Record(fleet.RecordOptions{Clients: 6}) // their histories are kept
//	f.Kill(f.Leader())
//	f.Start(...)
//	r.Judge()                             // nothing lost, nothing twice, linearizable, one hash
//
// Nodes are the program itself, started again with a variable in its environment. They run one application, which the program hands
// in, as it is made of the whole framework: registers that commands change, notes, files and rooms (cmd/bench/node).
//
// Methods of a Fleet are called by one goroutine, but for Get and Ask. What goes wrong is told to a T; *testing.T is one.
package fleet
