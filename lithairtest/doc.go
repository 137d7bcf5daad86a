// Package lithairtest starts applications for go test: in memory, on a clock that the test
// sets, without a port, or three of them as a cluster.
//
//	func TestNotes(t *testing.T) {
//		app := lithairtest.Start(t, newApp, lithairtest.Options{})
//		app.Want("POST", "/api/notes", `{"text":"water the plants"}`, 201, `"done":false`)
//		app.Clock.Advance(31 * 24 * time.Hour)
//		app.Restart()
//		app.Do("GET", "/api/notes", "").Golden("notes")
//	}
//
// newApp is the program's own function that makes the application, registers what it serves,
// and does not start it: func(lithair.Config) *lithair.App.
//
// # What is real
//
// All of the application, its HTTP server and its log. Requests go over a Unix socket, or, with
// Options.Port and in clusters, over loopback. Data is kept in memory, on the simulated disk
// that the framework is tested on, unless Options.Dir names a folder; a restart finds it there.
//
// # Golden answers
//
// [Answer.Golden] holds an answer against testdata/NAME.golden, and writes that file under go
// test -update. JSON is indented, and what differs from run to run is replaced: ids by id-1,
// id-2 in order, times by time-1 and so on, ETag and request ids likewise. Where a package defines
// a flag of that name itself, -update sets both.
//
// What is here is for tests: mistakes end the test that called.
package lithairtest
