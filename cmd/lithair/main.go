// Command lithair looks after data directories, without the program they belong to.
//
//	lithair backup  FILE -dir DIR            put all of it into one file, also while the application runs
//	lithair restore FILE -dir DIR [-at WHEN] make a data directory of a backup
//	lithair state at WHEN DIR                print the records there were
//	lithair state diff WHEN WHEN DIR         print the records that differ
//	lithair erase SUBJECT -dir DIR           destroy the key of a subject, in the running application
//	lithair cluster init NAME HOST:PORT,...  make a secret, and print how the first nodes are started
//	lithair cluster certs FOLDER HOST,...    make certificates for the connections between nodes
//	lithair cluster status -dir DIR          print the members, who leads, and how far each is
//	lithair cluster add ID HOST:PORT         print how the next node is started
//	lithair cluster members -dir DIR         print who is a member, and where
//	lithair cluster join-token -dir DIR      make a token for the next node, and print how it is started
//	lithair cluster hash|verify -dir DIR     hold the states of all members, and their logs, against each other
//	lithair cluster recover NAME HOST:PORT -dir DIR  go on from one directory when the quorum is lost for good
//	lithair cluster reseed -dir DIR          have a node that does not run get all it has anew from the others
//	lithair cluster promote|remove|transfer ID  make it a voter, take it out, make it the leader
//	lithair log dump   DIR                   print what the log holds
//	lithair log tail -dir DIR                print what the running application commits, as it comes
//	lithair check -dir DIR                   ask it whether it is ready: text, nagios, json or prometheus
//	lithair doctor -dir DIR                  look at limits, data, disk, address and clock
//	lithair export|import URL FILE           records of a collection as lines of JSON or CSV
//	lithair errors lookup CODE|TEXT          say what an error means
//	lithair log verify DIR                   read every byte and say whether the log is sound
//	lithair log repair DIR                   cut a damaged log back to its sound beginning
//	lithair log prove INDEX DIR              print the Merkle proof of a record
//	lithair new NAME                         begin a project
//	lithair dev [DIR]                        build and start a program whenever its source changes
//	lithair vet [DIR...]                     say what is wrong with models and APIs
//	lithair routes                           list the routes of a running application
//	lithair version                          print what this program was made of
//	lithair completion bash|zsh|fish         print what completes command lines
//	lithair schema diff|plan|apply           hold the models in this folder against their reviewed copy and the log
//	lithair schema history DIR               print each declaration of a model, with what it changed
//	lithair gen [DIR...]                     write the code that //lithair: directives ask for
//	lithair gen client -o FILE [SOURCE]      write a client of an application: TypeScript, JavaScript, Python, Go
//	lithair sim [-seed N] [-runs M] [-trace] run simulated clusters, with all that can go wrong
//
// DIR is a data directory, for log also the log directory in it. WHEN is an index (the
// Lithair-Index of a transaction), a time as in RFC 3339, or now. But for backup, erase
// and cluster, the application must not run. Data goes to standard output, words to standard error.
// -json prints documents for machines, one a line. What is encrypted takes its keys:
// -encryption-key-file FILE, or LITHAIR_ENCRYPTION_KEY in the environment.
//
// Exit codes: 0 done; 1 failed, or not agreed to; 2 wrong usage; 4 nothing is there, or not
// that old; 5 another process has it open, or there is something already; 69 no application
// answers; 77 keys are missing or wrong; 78 it is damaged.
package main

import (
	"os"
	"slices"

	framework "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
)

// development are the commands for whoever writes an application.
var development = []cli.Command{
	{Name: "new", What: "begin a project", Examples: `  lithair new notes                          with a page
  lithair new notes -no-frontend -module example.org/notes
  lithair new talk -template chat            live messages, presence, typing
  lithair new notes -dry-run                 print the names of the files`, Args: []string{"NAME"}, Setup: setupNew},
	{Name: "dev", What: "build and start a program, and again whenever its source changes", Examples: `  lithair dev
  lithair dev -addr 127.0.0.1:9000 -run 'npm run dev'`, Args: []string{"[DIR...]"}, Setup: setupDev},
	{Name: "gen client", What: "write a client of an application, in one file", Examples: `  lithair gen client -o web/api.ts                  of the program in this folder
  lithair gen client -o api.py ./cmd/shop
  lithair gen client -lang go -package shopapi -o shopapi/client.go https://shop.example.org
  lithair gen client -lang openapi -o openapi.json
  lithair gen client -check -o web/api.ts           write nothing, and fail if the file is not up to date`, Args: []string{"[SOURCE]"}, Setup: setupGenClient},
	{Name: "gen", What: "write the code that //lithair: directives ask for", Examples: `  lithair gen                 the package in this folder
  lithair gen ./...           all packages from here on
  lithair gen -check ./...    write nothing, print what would change, and fail if anything would
  lithair gen -dry-run        print the names of the files that would be written`, Args: []string{"[DIR...]"}, Setup: setupGen},
	{Name: "vet", What: "say what is wrong with models and APIs", Examples: `  lithair vet ./...
  lithair vet -json ./... | head -1`, Args: []string{"[DIR...]"}, Setup: setupVet},
	{Name: "routes", What: "list the routes of a running application", Examples: `  lithair routes
  lithair routes -match 'POST /api/notes'
  lithair routes -url https://example.org -json`, Setup: setupRoutes},
	{Name: "sim", What: "run whole clusters, with all that can go wrong, from a seed", Examples: `  lithair sim -seed 4711 -trace     the story of one run
  lithair sim -runs 1000            the runs of the seeds 0 to 999`, Setup: setupSim},
}

// stopped is what the framework does to stopped nodes.
var stopped = cli.Node{
	Reseed: framework.Reseed,
	Recover: func(dir, cluster, address string, keys eventlog.KeyProvider, agree func(cli.Recovery) error) (cli.Recovery, error) {
		r, err := framework.RecoverCluster(framework.RecoverConfig{Dir: dir, Cluster: cluster, Address: address, Keys: keys,
			Agree: func(r framework.Recovery) error { return agree(cli.Recovery(r)) }})
		return cli.Recovery(r), err
	},
}

// program is the tool.
func program() *cli.Program {
	return &cli.Program{Name: "lithair", Commands: slices.Concat(cli.Operations(stopped), cli.SchemaCommands(schema), development)}
}

func main() { os.Exit(program().Main(os.Args[1:])) }
