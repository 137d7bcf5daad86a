package cli

import (
	"flag"

	"github.com/lithair/lithair-go/eventlog"
)

// Node is what the framework, which stands above this package, does to the directory of a
// stopped cluster node.
type Node struct {
	Reseed  func(dir string) error
	Recover func(dir, cluster, address string, keys eventlog.KeyProvider, agree func(Recovery) error) (Recovery, error)
}

// Operations are the commands for whoever runs an application: they look after its data
// directory and need no source.
func Operations(n Node) []Command {
	return []Command{
		{"backup", "put a data directory into one file, also while the application runs", `  lithair backup data.lithair -dir data
  lithair backup - -dir data | ssh elsewhere 'cat > data.lithair'`, []string{"FILE"}, setupBackup},
		{"restore", "make a data directory of a backup", `  lithair restore data.lithair -dir data
  lithair restore data.lithair -dir data -at 1200
  lithair restore data.lithair -dir data -at 2026-03-01T12:00:00Z -replace
  lithair restore data.lithair -dry-run     build and check everything, and write nothing`, []string{"FILE"}, setupRestore},
		{"state at", "print the records there were", `  lithair state at now data
  lithair state at 1200 data -model orders
  lithair state at 2026-03-01T12:00:00Z data -json`, []string{"WHEN", "DIR"}, setupStateAt},
		{"state diff", "print the records that differ between two moments", `  lithair state diff 1200 now data
  lithair state diff 2026-03-01T12:00:00Z 2026-03-01T13:00:00Z data -json`, []string{"WHEN", "WHEN", "DIR"}, setupStateDiff},
		{"erase", "destroy the key of a subject, in the running application", `  lithair erase customer-1200 -dir data
  lithair erase customer-1200 -dir data -yes     do not ask`, []string{"SUBJECT"}, setupErase},
		{"connections", "print the live connections of a running node", `  lithair connections -dir data
  lithair connections -dir data -user ann -json`, nil, setupConnections},
		{"kick", "end a live connection by its number, or all of a user, on a running node", `  lithair kick 17 -dir data
  lithair kick ann -dir data`, []string{"ID|USER"}, setupKick},
		{"cluster init", "make a secret, and print how the first nodes are started", `  lithair cluster init blog 10.0.0.1:7001,10.0.0.2:7001,10.0.0.3:7001`, []string{"NAME", "PEERS"}, setupClusterInit},
		{"cluster certs", "make certificates for the connections between nodes, and an authority that signs them", `  lithair cluster certs certs 10.0.0.1,10.0.0.2,node3.internal
  lithair cluster certs certs 10.0.0.1 -renew`, []string{"FOLDER", "HOSTS"}, setupClusterCerts},
		{"cluster status", "print the members of a cluster, who leads, and how far each is", `  lithair cluster status -dir data
  lithair cluster status -dir data -json`, nil, setupClusterStatus},
		{"cluster add", "print how the next node is started", `  lithair cluster add 4 10.0.0.4:7001 -dir data`, []string{"ID", "HOST:PORT"}, setupClusterAdd},
		{"cluster members", "print the members of a cluster, and where other nodes find them", `  lithair cluster members -dir data
  lithair cluster members -dir data -json`, nil, setupClusterMembers},
		{"cluster join-token", "make a token for the next node, and print how that is started", `  lithair cluster join-token -dir data
  lithair cluster join-token -dir data -valid 15m -o node4.token     the token into a file`, nil, setupJoinToken},
		{"cluster hash", "compare the states of all members at one sequence", `  lithair cluster hash -dir data`, nil, setupClusterAgreement(false)},
		{"cluster verify", "compare states and logs of all members, and whom they follow", `  lithair cluster verify -dir data
  lithair cluster verify -dir data -json`, nil, setupClusterAgreement(true)},
		{"cluster recover", "make a stopped node the only voter of a new cluster, when the quorum is lost for good", `  lithair cluster recover blog2 10.0.0.3:7001 -dir data -dry-run     say what may be lost, and change nothing
  lithair cluster recover blog2 10.0.0.3:7001 -dir data              say it, ask, and do it`, []string{"NAME", "HOST:PORT"}, setupClusterRecover(n)},
		{"cluster promote", "make a learner a voter, when it has caught up", `  lithair cluster promote 4 -dir data`, []string{"ID"}, setupClusterChange("promote")},
		{"cluster remove", "take a node out of its cluster", `  lithair cluster remove 2 -dir data
  lithair cluster remove 2 -dir data -yes     do not ask`, []string{"ID"}, setupClusterChange("remove")},
		{"cluster reseed", "remove log and state of a node that does not run: it gets them anew from the others when it starts", `  lithair cluster reseed -dir data
  lithair cluster reseed -dir data -yes     do not ask`, nil, setupClusterReseed(n)},
		{"cluster transfer", "hand leadership to a node", `  lithair cluster transfer 3 -dir data`, []string{"ID"}, setupClusterChange("transfer")},
		{"log dump", "print what the log holds", `  lithair log dump data
  lithair log dump -from 120 -to 130 data
  lithair log dump -json data | grep '"model":"orders"'`, []string{"DIR"}, onLog(setupDump)},
		{"log tail", "print what the running application commits, as it comes", `  lithair log tail -dir data
  lithair log tail -dir data -from 1 -model orders -json`, nil, setupTail},
		{"check", "ask an application whether it is ready; exits as monitoring plugins do: 0, 1, 2, 3", `  lithair check -dir data
  lithair check -url https://example.org -format nagios`, nil, setupCheck},
		{"doctor", "look at Go, limits, data, disk, address and clock, and say what to do", `  lithair doctor -dir data
  lithair doctor -dir data -addr :8080 -json`, nil, setupDoctor},
		{"log verify", "read every byte and say whether the log is sound", `  lithair log verify data
  lithair log verify -json data`, []string{"DIR"}, onLog(setupVerify)},
		{"log repair", "cut a damaged log back to its sound beginning", `  lithair log repair -dry-run data     show what would be done
  lithair log repair data              show it, ask, and do it
  lithair log repair -yes data         do not ask`, []string{"DIR"}, onLog(setupRepair)},
		{"log prove", "print the Merkle root of a record's range, and the proof that it is in it", `  lithair log prove 4711 data
  lithair log prove -json 4711 data`, []string{"INDEX", "DIR"}, setupProve},
		{"version", "print what this program was made of", `  lithair version
  lithair version -json`, nil, setupVersion},
		{"schema history", "print each declaration of a model in the log, with what it changed", `  lithair schema history data`, []string{"DIR"}, setupSchemaHistory},
		{"export", "write all records of a collection, of one moment, as lines of JSON or CSV", `  lithair export http://127.0.0.1:8080/api/notes notes.jsonl
  lithair export http://127.0.0.1:8080/api/notes - -format csv -at 1200`, []string{"URL", "FILE"}, setupExport},
		{"import", "create records of lines of JSON or CSV; what is refused names its line", `  lithair import http://127.0.0.1:8080/api/notes notes.csv
  zcat notes.jsonl.gz | lithair import http://127.0.0.1:8080/api/notes -`, []string{"URL", "FILE"}, setupImport},
		{"errors lookup", "say what an error means, and what to do", `  lithair errors lookup LTH3001
  lithair errors lookup 'disk full'`, []string{"CODE|TEXT"}, setupErrorsLookup},
		{"errors list", "print all error codes", `  lithair errors list -json`, nil, setupErrorsList},
		{"completion", "print what completes command lines in a shell", `  source <(lithair completion bash)
  lithair completion fish | source`, []string{"SHELL"}, setupCompletion},
	}
}

// onLog makes a command on a log of one on a directory.
func onLog(setup func(fs *flag.FlagSet) func(*Console, eventlog.Config) error) func(fs *flag.FlagSet) func(*Console, Input) error {
	return func(fs *flag.FlagSet) func(*Console, Input) error {
		run := setup(fs)
		return func(c *Console, in Input) error {
			dir, err := logDir(in.Args[0])
			if err != nil {
				return err
			}
			return run(c, eventlog.Config{Dir: dir, Keys: in.Keys})
		}
	}
}
