// Package clustertest holds the tests of clusters made of real processes, on package fleet: nodes on loopback, clients
// through all of them whose histories are recorded, and things that go wrong.
//
//		go test -v ./internal/clustertest                    # seconds
//		LITHAIR_LONG=1 go test -v -timeout 60m ./internal/clustertest
//
//	  - TestLeadersDie: the leader is killed with SIGKILL, stopped with SIGSTOP, others too.
//	  - TestNetworkFaults: a proxy between the nodes cuts links, both ways and one, delays, swallows
//	    and leaves connections half-open.
//	  - TestElevenProcesses: voters and learners form a cluster, all serve reads, and voters die.
//
// Afterwards no acknowledged write is lost, none was made twice, none that was refused is there, the history of each
// register is linearizable by the checker of the simulator, sessions never went back, and
// the state of all nodes has one hash.
package clustertest
