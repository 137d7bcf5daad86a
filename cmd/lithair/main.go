// Command lithair looks after data directories, without the program they belong to.
//
//	lithair backup  FILE -dir DIR            put all of it into one file, also while the application runs
//	lithair restore FILE -dir DIR [-at WHEN] make a data directory of a backup
//	lithair state at WHEN DIR                print the records there were
//	lithair state diff WHEN WHEN DIR         print the records that differ
//	lithair erase SUBJECT -dir DIR           destroy the key of a subject, in the running application
//	lithair cluster init NAME HOST:PORT,...  make a secret, and print how the first nodes are started
//	lithair cluster status -dir DIR          print the members, who leads, and how far each is
//	lithair cluster add ID HOST:PORT         print how the next node is started
//	lithair cluster members -dir DIR         print who is a member, and where
//	lithair cluster join-token -dir DIR      make a token for the next node, and print how it is started
//	lithair cluster hash|verify -dir DIR     hold the states of all members, and their logs, against each other
//	lithair cluster recover NAME HOST:PORT -dir DIR  go on from one directory when the quorum is lost for good
//	lithair cluster reseed -dir DIR          have a node that does not run get all it has anew from the others
//	lithair cluster promote|remove|transfer ID  make it a voter, take it out, make it the leader
//	lithair log dump   DIR                   print what the log holds
//	lithair log verify DIR                   read every byte and say whether the log is sound
//	lithair log repair DIR                   cut a damaged log back to its sound beginning
//	lithair log prove INDEX DIR              print the Merkle proof of a record
//	lithair new NAME                         begin a project
//	lithair dev [DIR]                        build and start a program whenever its source changes
//	lithair vet [DIR...]                     say what is wrong with models and APIs
//	lithair routes                           list the routes of a running application
//	lithair version                          print what this program was made of
//	lithair completion bash|zsh|fish         print what completes command lines
//	lithair gen [DIR...]                     write the code that //lithair: directives ask for
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
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// The exit codes.
const (
	codeFailed      = 1
	codeUsage       = 2
	codeNotFound    = 4
	codeLocked      = 5
	codeKeys        = 77
	codeUnreachable = 69
	codeDamaged     = 78
)

// exitError is an error with an exit code of its own; err may be nil when all is said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

// console is where a command reads and writes.
type console struct {
	in       *bufio.Reader
	out, err io.Writer
}

// command is one verb. setup declares its flags and returns what runs it.
type command struct {
	name, what, examples string
	args                 []string // names of its arguments; [DIR...] is any number of them
	setup                func(fs *flag.FlagSet) func(c *console, in input) error
}

// input is what stands on a command line beside the flags of the command.
type input struct {
	args []string // as many as command.args, or more where the last of those says so
	keys eventlog.KeyProvider
}

var commands = []command{
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
	{"cluster init", "make a secret, and print how the first nodes are started", `  lithair cluster init blog 10.0.0.1:7001,10.0.0.2:7001,10.0.0.3:7001`, []string{"NAME", "PEERS"}, setupClusterInit},
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
  lithair cluster recover blog2 10.0.0.3:7001 -dir data              say it, ask, and do it`, []string{"NAME", "HOST:PORT"}, setupClusterRecover},
	{"cluster promote", "make a learner a voter, when it has caught up", `  lithair cluster promote 4 -dir data`, []string{"ID"}, setupClusterChange("promote")},
	{"cluster remove", "take a node out of its cluster", `  lithair cluster remove 2 -dir data
  lithair cluster remove 2 -dir data -yes     do not ask`, []string{"ID"}, setupClusterChange("remove")},
	{"cluster reseed", "remove log and state of a node that does not run: it gets them anew from the others when it starts", `  lithair cluster reseed -dir data
  lithair cluster reseed -dir data -yes     do not ask`, nil, setupClusterReseed},
	{"cluster transfer", "hand leadership to a node", `  lithair cluster transfer 3 -dir data`, []string{"ID"}, setupClusterChange("transfer")},
	{"log dump", "print what the log holds", `  lithair log dump data
  lithair log dump -from 120 -to 130 data
  lithair log dump -json data | grep '"model":"orders"'`, []string{"DIR"}, onLog(setupDump)},
	{"log verify", "read every byte and say whether the log is sound", `  lithair log verify data
  lithair log verify -json data`, []string{"DIR"}, onLog(setupVerify)},
	{"log repair", "cut a damaged log back to its sound beginning", `  lithair log repair -dry-run data     show what would be done
  lithair log repair data              show it, ask, and do it
  lithair log repair -yes data         do not ask`, []string{"DIR"}, onLog(setupRepair)},
	{"log prove", "print the Merkle root of a record's range, and the proof that it is in it", `  lithair log prove 4711 data
  lithair log prove -json 4711 data`, []string{"INDEX", "DIR"}, setupProve},
	{"new", "begin a project", `  lithair new notes                          with a page
  lithair new notes -no-frontend -module example.org/notes
  lithair new notes -dry-run                 print the names of the files`, []string{"NAME"}, setupNew},
	{"dev", "build and start a program, and again whenever its source changes", `  lithair dev
  lithair dev -addr 127.0.0.1:9000 -run 'npm run dev'`, []string{"[DIR...]"}, setupDev},
	{"gen", "write the code that //lithair: directives ask for", `  lithair gen                 the package in this folder
  lithair gen ./...           all packages from here on
  lithair gen -check ./...    write nothing, print what would change, and fail if anything would
  lithair gen -dry-run        print the names of the files that would be written`, []string{"[DIR...]"}, setupGen},
	{"vet", "say what is wrong with models and APIs", `  lithair vet ./...
  lithair vet -json ./... | head -1`, []string{"[DIR...]"}, setupVet},
	{"routes", "list the routes of a running application", `  lithair routes
  lithair routes -match 'POST /api/notes'
  lithair routes -url https://example.org -json`, nil, setupRoutes},
	{"version", "print what this program was made of", `  lithair version
  lithair version -json`, nil, setupVersion},
	{"sim", "run whole clusters, with all that can go wrong, from a seed", `  lithair sim -seed 4711 -trace     the story of one run
  lithair sim -runs 1000            the runs of the seeds 0 to 999`, nil, setupSim},
}

// completion reads the table, and so cannot stand in its first value.
func init() {
	commands = append(commands, command{"completion", "print what completes command lines in a shell", `  source <(lithair completion bash)
  lithair completion fish | source`, []string{"SHELL"}, setupCompletion})
}

// onLog makes a command on a log of one on a directory.
func onLog(setup func(fs *flag.FlagSet) func(*console, eventlog.Config) error) func(fs *flag.FlagSet) func(*console, input) error {
	return func(fs *flag.FlagSet) func(*console, input) error {
		run := setup(fs)
		return func(c *console, in input) error {
			dir, err := logDir(in.args[0])
			if err != nil {
				return err
			}
			return run(c, eventlog.Config{Dir: dir, Keys: in.keys})
		}
	}
}

func main() {
	c := &console{in: bufio.NewReader(os.Stdin), out: os.Stdout, err: os.Stderr}
	os.Exit(c.run(os.Args[1:]))
}

// run carries out a command line and returns the exit code.
func (c *console) run(args []string) int {
	if len(args) == 0 || wantsHelp(args[0]) {
		return c.usage(len(args) > 0)
	}
	group := false // of commands with that first word
	for i := range commands {
		words := strings.Fields(commands[i].name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c.do(&commands[i], args[len(words):])
		}
		group = group || words[0] == args[0]
	}
	if group && len(args) > 1 && wantsHelp(args[1]) {
		return c.usage(true)
	}
	if len(args) > 2 {
		args = args[:2]
	}
	fmt.Fprintf(c.err, "lithair: no such command: %s\n", strings.Join(args, " "))
	return c.usage(false)
}

func wantsHelp(arg string) bool {
	return arg == "help" || arg == "-h" || arg == "-help" || arg == "--help"
}

func (c *console) usage(asked bool) int {
	w, code := c.err, codeUsage
	if asked {
		w, code = c.out, 0
	}
	fmt.Fprintln(w, "usage: lithair COMMAND [flags] ARGUMENTS")
	for _, k := range commands {
		fmt.Fprintf(w, "  %-26s %s\n", k.name+" "+strings.Join(k.args, " "), k.what)
	}
	fmt.Fprintln(w, "lithair COMMAND -h shows flags and examples")
	return code
}

// do parses a command's flags, which may stand before or behind the arguments, and runs
// it.
func (c *console) do(k *command, args []string) int {
	fs := flag.NewFlagSet("lithair "+k.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	runIt := k.setup(fs)
	keys := fs.String("encryption-key-file", "", "file with the keys of what is encrypted, a line \"NUMBER:KEY\" each (default: those in $"+keysVariable+", if it is set)")
	help := func(w io.Writer) {
		fmt.Fprintf(w, "%s %s: %s\n\nexamples:\n%s\n\nflags:\n", fs.Name(), strings.Join(k.args, " "), k.what, k.examples)
		fs.SetOutput(w)
		fs.PrintDefaults()
	}
	var given []string
	for rest := args; ; {
		if err := fs.Parse(rest); errors.Is(err, flag.ErrHelp) {
			help(c.out)
			return 0
		} else if err != nil {
			fmt.Fprintf(c.err, "%s: %v\n", fs.Name(), err)
			return codeUsage
		}
		if fs.NArg() == 0 {
			break
		}
		given, rest = append(given, fs.Arg(0)), fs.Args()[1:]
	}
	if !k.takes(len(given)) {
		fmt.Fprintf(c.err, "%s: want %s, got %d arguments\n\n", fs.Name(), strings.Join(k.args, " "), len(given))
		help(c.err)
		return codeUsage
	}
	return c.report(fs.Name(), runIt(c, input{given, keyProvider(*keys)}))
}

// takes says whether a command is called with n arguments; the last of its own may be optional,
// and any number of them.
func (k *command) takes(n int) bool {
	want := len(k.args)
	if want > 0 && k.args[want-1] == "[DIR...]" {
		return n >= want-1
	}
	return n == want
}

// keysVariable is where keys are looked for when no file is named.
const keysVariable = "LITHAIR_ENCRYPTION_KEY"

// keyProvider returns the keys of a file, or of the environment; nil: there are none.
func keyProvider(file string) eventlog.KeyProvider {
	if file != "" {
		return crypt.File(file)
	}
	if _, set := os.LookupEnv(keysVariable); set {
		return crypt.Env(keysVariable)
	}
	return nil
}

// report says what went wrong and returns the exit code.
func (c *console) report(name string, err error) int {
	if err == nil {
		return 0
	}
	code := codeFailed
	var exit *exitError
	var locked *disk.LockedError
	var corrupt *eventlog.CorruptError
	var damage *backup.DamageError
	var outside *backup.RangeError
	var gone *engine.GoneError
	switch {
	case errors.As(err, &exit):
		if code = exit.code; exit.err == nil {
			return code
		}
	case errors.Is(err, crypt.ErrNoKeys), errors.Is(err, crypt.ErrUnknownKey), errors.Is(err, crypt.ErrWrongKey), errors.Is(err, crypt.ErrKeyFormat):
		code = codeKeys
	case errors.As(err, &locked):
		code = codeLocked
		err = fmt.Errorf("%w; stop the application first", err)
	case errors.Is(err, backup.ErrNotEmpty):
		code = codeLocked
		err = fmt.Errorf("%w; -replace moves that aside", err)
	case errors.Is(err, fs.ErrExist):
		code = codeLocked
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &outside), errors.As(err, &gone):
		code = codeNotFound
	case errors.As(err, &damage), errors.As(err, &corrupt):
		code = codeDamaged
	}
	fmt.Fprintf(c.err, "%s: %v\n", name, err)
	return code
}

// logDir finds the log of a data directory.
func logDir(dir string) (string, error) {
	for _, d := range []string{filepath.Join(dir, "log"), dir} {
		segments, err := filepath.Glob(filepath.Join(d, "*.seg"))
		if err != nil {
			return "", err
		}
		if len(segments) > 0 {
			return d, nil
		}
	}
	if _, err := os.Stat(dir); err != nil {
		return "", &exitError{codeNotFound, err}
	}
	return "", &exitError{codeNotFound, fmt.Errorf("%s holds no log: there are no .seg files in it, nor in a log directory below it", dir)}
}
