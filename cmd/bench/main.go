// Command bench measures the framework beside what one would otherwise use, and serves
// and works as a contestant for outside measuring tools.
//
//	bench [flags]                 a little of each layer, in about two minutes: a line each
//	bench app    [flags]          GET by id and durable POST, and both mixed, against net/http
//	bench wire   [flags]          HTTP: plain text, JSON and a JSON echo against net/http
//	bench ws     [flags]          WebSocket echo against an echo without any protocol
//	bench rooms  [flags]          1,000 rooms of 20 members, 500 messages a second on a timetable
//	bench idle   [flags]          what each of 18,000 idle WebSocket connections takes
//	bench live   [flags]          10,000 live queries under 1,000 writes a second
//	bench json   [flags]          jsonx against encoding/json
//	bench binenc [flags]          binenc against encoding/gob and encoding/json
//	bench log    [flags]          the event log against a file synced for each record
//	bench raft   [flags]          commits of three nodes against one file, and fail-over
//	bench cluster [flags]         GET by id and durable POST through one node and through three
//	bench state  [flags]          the state in memory: bytes, reads beside writes, replay
//	bench start  [flags]          how long a start with 100,000 records on disk takes
//	bench soak   [flags]          three nodes under faults for -minutes, and everything checked: see package internal/soak
//	bench serve  [flags]          a server for outside tools: -profile cases, peers or app
//	bench worker json|bin|log|raft  answers measuring requests on standard input, a line each
//
// All measuring commands but idle and soak have -rounds, -duration (start has not), -json, -compare FILE, which holds the figures
// against those of an earlier run with its noise, and -profile FOLDER; -clients where there are any, -seed where anything is left to
// chance, -data where there are files, and -rate where requests can follow a timetable. An interrupt ends the servers, removes data
// and reports nothing.
//
// All figures of one table come from the same run on the same machine: contestants take
// turns, round after round, and what is reported is the median, the spread
// ((max-min)/median) and the ratio to the first row. With clients on the same cores as
// the server, CPU time per request is the steadiest figure.
//
// -json prints the same figures for machines, one document, in which each table names the units of its columns. Latencies are
// counted in a histogram with an error below a hundredth; with -rate, from the time a request was due. Without, a client asks again when it
// has its answer, which finds the most that a server does: a second in which it does nothing is then one long answer for each client, and
// no part of the quantiles.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/lithair/lithair-go/cmd/bench/node"
	"github.com/lithair/lithair-go/internal/fleet"
)

type command struct {
	name, args, what string
	run              func(args []string) error
}

var commands = []command{
	{"canonical", "[flags]", "a little of each layer; what no command runs", runCanonical},
	{"app", "[flags]", "GET by id, durable POST and both mixed against net/http", runApp},
	{"wire", "[flags]", "HTTP against net/http", runWire},
	{"ws", "[flags]", "WebSocket echo against an echo without protocol", runWS},
	{"idle", "[flags]", "bytes of each of many idle WebSocket connections", runIdle},
	{"live", "[flags]", "live queries under writes on a timetable", runLive},
	{"rooms", "[flags]", "messages to rooms on a timetable", runRooms},
	{"json", "[flags]", "jsonx against encoding/json", runJSON},
	{"binenc", "[flags]", "binenc against encoding/gob and encoding/json", runBin},
	{"log", "[flags]", "the event log against a file synced for each record", runLog},
	{"raft", "[flags]", "commits of three nodes, and fail-over", runRaft},
	{"cluster", "[flags]", "GET by id and durable POST through one node and through three", runCluster},
	{"start", "[flags]", "how long a start with many records on disk takes", runStart},
	{"state", "[flags]", "the state in memory: bytes, reads beside writes, replay", runState},
	{"soak", "[-minutes N] [-seed S]", "three nodes under faults, and everything checked", runSoak},
	{"serve", "[flags]", "serve a profile for outside tools: cases, peers, app", runServe},
	{"worker", "json|bin|log|raft", "answer measuring requests on standard input", runWorker},
	{"rival", "MODE -addr A [-data DIR]", "a server that others measure against", runRival},
}

func main() {
	fleet.RunNode(node.Run)
	args := os.Args[1:]
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && !wantsHelp(args[0]) {
		args = append([]string{"canonical"}, args...)
	}
	for _, c := range commands {
		if c.name == args[0] {
			if err := c.run(args[1:]); err != nil {
				fmt.Fprintf(os.Stderr, "bench %s: %v\n", c.name, err)
				os.Exit(1)
			}
			return
		}
	}
	out, code := os.Stdout, 0
	if !wantsHelp(args[0]) {
		out, code = os.Stderr, 2
		fmt.Fprintf(out, "bench: no such command: %s\n", args[0])
	}
	fmt.Fprintln(out, "usage: bench [COMMAND] [flags]    (no command: canonical)")
	for _, c := range commands {
		fmt.Fprintf(out, "  %-36s %s\n", c.name+" "+c.args, c.what)
	}
	os.Exit(code)
}

func wantsHelp(arg string) bool {
	return arg == "help" || arg == "-h" || arg == "-help" || arg == "--help"
}

// parse reads flags; a bad flag ends the program with usage and code 2.
func parse(fs *flag.FlagSet, args []string) {
	fs.Parse(args) // flag.ExitOnError
	if fs.NArg() > 0 {
		fmt.Fprintf(fs.Output(), "unexpected argument: %s\n", fs.Arg(0))
		fs.Usage()
		os.Exit(2)
	}
}
