// Package client follows live queries of a Lithair application; see package live and its SPEC.md.
//
//	c, err := client.New(client.Config{Nodes: []string{"http://127.0.0.1:8080"}})
//	q := c.Follow("Note", "/api/notes", "text=~go&sort=-created_at")
//	for {
//		answer, changed, err := q.Now()
//		notes, err := client.Decode[Note](answer.Rows)
//		...
//		<-changed
//	}
//
// A connection that is lost is made again, to the next of several nodes, and the list goes on
// where it was: it is told what changed meanwhile. Its hash is held against the server's with every
// frame; a list that differs is asked for anew. Where a proxy knows no WebSockets, each query is a
// stream of server-sent events.
//
// List is the core: frames in, rows out, no I/O.
package client
