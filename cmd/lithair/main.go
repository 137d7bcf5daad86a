// Command lithair looks after data directories, without the program they belong to.
//
//	lithair log dump   DIR    print what the log holds
//	lithair log verify DIR    read every byte and say whether the log is sound
//	lithair log repair DIR    cut a damaged log back to its sound beginning
//
// DIR is a data directory, or the log directory in it. The application must not run.
// Data goes to standard output, words to standard error. -json prints documents for
// machines, one a line. An encrypted log takes its keys: -keys FILE, or LITHAIR_KEYS in the
// environment.
//
// Exit codes: 0 done; 1 failed, or not agreed to; 2 wrong usage; 4 no log there; 5 another
// process has it open; 77 its keys are missing or wrong; 78 the log is damaged.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// The exit codes.
const (
	codeFailed   = 1
	codeUsage    = 2
	codeNotFound = 4
	codeLocked   = 5
	codeKeys     = 77
	codeDamaged  = 78
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

// command is one verb of "lithair log". setup declares its flags and returns what runs it.
type command struct {
	name, what, examples string
	setup                func(fs *flag.FlagSet) func(c *console, log eventlog.Config) error
}

var commands = []command{
	{"dump", "print what the log holds", `  lithair log dump data
  lithair log dump -from 120 -to 130 data
  lithair log dump -json data | grep '"model":"orders"'`, setupDump},
	{"verify", "read every byte and say whether the log is sound", `  lithair log verify data
  lithair log verify -json data`, setupVerify},
	{"repair", "cut a damaged log back to its sound beginning", `  lithair log repair -dry-run data     show what would be done
  lithair log repair data              show it, ask, and do it
  lithair log repair -yes data         do not ask`, setupRepair},
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
	if args[0] != "log" || len(args) < 2 {
		fmt.Fprintf(c.err, "lithair: no such command: %s\n", strings.Join(args, " "))
		return c.usage(false)
	}
	for i := range commands {
		if commands[i].name == args[1] {
			return c.do(&commands[i], args[2:])
		}
	}
	if wantsHelp(args[1]) {
		return c.usage(true)
	}
	fmt.Fprintf(c.err, "lithair: no such command: log %s\n", args[1])
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
	fmt.Fprintln(w, "usage: lithair log COMMAND [flags] DIR")
	for _, k := range commands {
		fmt.Fprintf(w, "  log %-8s %s\n", k.name, k.what)
	}
	fmt.Fprintln(w, "lithair log COMMAND -h shows flags and examples")
	return code
}

// do parses a command's flags, which may stand before or behind the directory, and runs
// it.
func (c *console) do(k *command, args []string) int {
	fs := flag.NewFlagSet("lithair log "+k.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	runIt := k.setup(fs)
	keys := fs.String("keys", "", "file with the keys of an encrypted log, a line \"NUMBER:KEY\" each (default: those in $"+keysVariable+", if it is set)")
	help := func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n\nexamples:\n%s\n\nflags:\n", fs.Name(), k.what, k.examples)
		fs.SetOutput(w)
		fs.PrintDefaults()
	}
	var dirs []string
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
		dirs, rest = append(dirs, fs.Arg(0)), fs.Args()[1:]
	}
	if len(dirs) != 1 {
		fmt.Fprintf(c.err, "%s: want one data directory, got %d\n\n", fs.Name(), len(dirs))
		help(c.err)
		return codeUsage
	}
	dir, err := logDir(dirs[0])
	if err == nil {
		err = runIt(c, eventlog.Config{Dir: dir, Keys: keyProvider(*keys)})
	}
	return c.report(fs.Name(), err)
}

// keysVariable is where keys are looked for when no file is named.
const keysVariable = "LITHAIR_KEYS"

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
