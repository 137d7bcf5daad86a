// Package cli holds the commands that look after an application's data and its nodes, and what
// carries out a command line. Two programs are made of it: the tool lithair, and every
// application itself, so that an image with the application alone needs no second tool.
//
//	p := cli.Program{Name: "lithair", Commands: cli.Operations(node)}
//	os.Exit(p.Main(os.Args[1:]))
package cli

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
)

// The exit codes.
const (
	CodeFailed      = 1
	CodeUsage       = 2
	CodeNotFound    = 4
	CodeLocked      = 5
	CodeKeys        = 77
	CodeUnreachable = 69
	CodeDamaged     = 78
)

// ExitError is an error with an exit code of its own; Err may be nil when all is said.
type ExitError struct {
	Code int
	Err  error
}

// Error returns what Err says.
func (e *ExitError) Error() string { return fmt.Sprint(e.Err) }

// Unwrap returns the error itself.
func (e *ExitError) Unwrap() error { return e.Err }

// Console is where a command reads and writes: data goes to Out, words to Err.
type Console struct {
	In       *bufio.Reader
	Out, Err io.Writer

	program            *Program
	colorOut, colorErr bool
}

// Command is one verb. Setup declares its flags and returns what runs it.
type Command struct {
	Name, What, Examples string   // examples are lines that begin with "lithair"; help puts the program's name there
	Args                 []string // names of its arguments; [DIR...] is any number of them
	Setup                func(fs *flag.FlagSet) func(c *Console, in Input) error
}

// Input is what stands on a command line beside the flags of the command.
type Input struct {
	Args    []string // as many as Command.Args, or more where the last of those says so
	Keys    eventlog.KeyProvider
	KeyFile string // that Keys are read from; empty: the environment, or none
}

// Program is a set of commands under one name. It does not change while it is used.
type Program struct {
	Name     string
	Commands []Command
	Dir      string // the data directory where none is named; empty: one must be named
}

// Main carries out a command line on the streams of the process, and returns the exit code.
func (p *Program) Main(args []string) int {
	return p.Run(&Console{In: bufio.NewReader(os.Stdin), Out: os.Stdout, Err: os.Stderr}, args)
}

// Has says whether a command begins with a word.
func (p *Program) Has(word string) bool {
	return slices.ContainsFunc(p.Commands, func(k Command) bool { return strings.Fields(k.Name)[0] == word })
}

// Run carries out a command line and returns the exit code.
func (p *Program) Run(c *Console, args []string) int {
	c.program = p
	if err := c.colors("auto"); err != nil {
		return c.report(p.Name, err)
	}
	if len(args) == 0 || wantsHelp(args[0]) {
		return c.usage("", len(args) > 0)
	}
	for i := range p.Commands {
		words := strings.Fields(p.Commands[i].Name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c.do(&p.Commands[i], args[len(words):])
		}
	}
	if p.Has(args[0]) && len(args) > 1 && wantsHelp(args[1]) {
		return c.usage(args[0], true)
	}
	return c.unknown(args)
}

// unknown says that there is no such command, and which one may have been meant.
func (c *Console) unknown(args []string) int {
	group, text := "", args[0]
	if c.program.Has(args[0]) {
		group = args[0]
		if len(args) > 1 {
			text += " " + args[1]
		}
	}
	var names []string
	for _, k := range c.program.Commands {
		names = append(names, k.Name)
		if first, _, more := strings.Cut(k.Name, " "); more && group == "" {
			names = append(names, first)
		}
	}
	fmt.Fprintf(c.Err, "%s: no such command: %s", c.program.Name, text)
	if near := model.Nearest(text, names); near != "" && text != group {
		fmt.Fprintf(c.Err, "; did you mean %s?\n%s -h lists all\n", near, c.program.Name)
		return CodeUsage
	}
	fmt.Fprintln(c.Err)
	return c.usage(group, false)
}

func wantsHelp(arg string) bool {
	return arg == "help" || arg == "-h" || arg == "-help" || arg == "--help"
}

// usage lists the commands, those of one group or all.
func (c *Console) usage(group string, asked bool) int {
	w, code := c.Err, CodeUsage
	if asked {
		w, code = c.Out, 0
	}
	name := c.program.Name
	fmt.Fprintf(w, "usage: %s COMMAND [flags] ARGUMENTS\n", name)
	for _, k := range c.program.Commands {
		if group == "" || strings.Fields(k.Name)[0] == group {
			fmt.Fprintf(w, "  %-26s %s\n", k.Name+" "+strings.Join(k.Args, " "), k.What)
		}
	}
	fmt.Fprintf(w, "%s COMMAND -h shows flags and examples\n", name)
	return code
}

// ownName finds the tool's name in examples.
var ownName = regexp.MustCompile(`(?m)(^|[\s(])lithair `)

// do parses a command's flags, which may stand before or behind the arguments, and runs
// it.
func (c *Console) do(k *Command, args []string) int {
	fs := flag.NewFlagSet(c.program.Name+" "+k.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	runIt := k.Setup(fs)
	keys := fs.String("encryption-key-file", "", "file with the keys of what is encrypted, a line \"NUMBER:KEY\" each (default: those in $"+keysVariable+", if it is set)")
	color := fs.String("color", "auto", strings.Join(colorModes, ", ")+"; auto: on a terminal, unless NO_COLOR is set")
	if f := fs.Lookup("dir"); f != nil && c.program.Dir != "" && f.DefValue == "" {
		f.DefValue, f.Usage = c.program.Dir, strings.TrimSuffix(f.Usage, " (required)")
		if err := f.Value.Set(c.program.Dir); err != nil {
			return c.report(fs.Name(), err)
		}
	}
	help := func(w io.Writer) {
		examples := ownName.ReplaceAllString(k.Examples, "${1}"+strings.ReplaceAll(c.program.Name, "$", "$$")+" ")
		fmt.Fprintf(w, "%s %s: %s\n\nexamples:\n%s\n\nflags:\n", fs.Name(), strings.Join(k.Args, " "), k.What, examples)
		fs.SetOutput(w)
		fs.PrintDefaults()
	}
	var given []string
	for rest := args; ; {
		if err := fs.Parse(rest); errors.Is(err, flag.ErrHelp) {
			help(c.Out)
			return 0
		} else if err != nil {
			fmt.Fprintf(c.Err, "%s: %v\n", fs.Name(), nearFlag(fs, err))
			return CodeUsage
		}
		if fs.NArg() == 0 {
			break
		}
		given, rest = append(given, fs.Arg(0)), fs.Args()[1:]
	}
	if err := c.colors(*color); err != nil {
		fmt.Fprintf(c.Err, "%s: %v\n", fs.Name(), err)
		return CodeUsage
	}
	if n := len(k.Args); c.program.Dir != "" && n > 0 && k.Args[n-1] == "DIR" && len(given) == n-1 {
		given = append(given, c.program.Dir)
	}
	if !k.takes(len(given)) {
		fmt.Fprintf(c.Err, "%s: want %s, got %d arguments\n\n", fs.Name(), strings.Join(k.Args, " "), len(given))
		help(c.Err)
		return CodeUsage
	}
	return c.report(fs.Name(), runIt(c, Input{given, keyProvider(*keys), *keys}))
}

// nearFlag says which flag may have been meant.
func nearFlag(fs *flag.FlagSet, err error) error {
	_, name, unknown := strings.Cut(err.Error(), "not defined: -")
	if !unknown {
		return err
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := model.Nearest(strings.TrimPrefix(name, "-"), names); near != "" {
		return fmt.Errorf("unknown flag -%s; did you mean -%s?", name, near)
	}
	return fmt.Errorf("unknown flag -%s; -h lists all", name)
}

// takes says whether a command is called with n arguments; the last of its own may be optional,
// [SOURCE], and any number of them, [DIR...].
func (k *Command) takes(n int) bool {
	want := len(k.Args)
	switch {
	case want == 0 || k.Args[want-1][0] != '[':
		return n == want
	case strings.HasSuffix(k.Args[want-1], "...]"):
		return n >= want-1
	}
	return n == want || n == want-1
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
func (c *Console) report(name string, err error) int {
	if err == nil {
		return 0
	}
	code := CodeFailed
	var exit *ExitError
	var locked *disk.LockedError
	var corrupt *eventlog.CorruptError
	var damage *backup.DamageError
	var outside *backup.RangeError
	var gone *engine.GoneError
	switch {
	case errors.As(err, &exit):
		if code = exit.Code; exit.Err == nil {
			return code
		}
	case errors.Is(err, crypt.ErrNoKeys), errors.Is(err, crypt.ErrUnknownKey), errors.Is(err, crypt.ErrWrongKey), errors.Is(err, crypt.ErrKeyFormat):
		code = CodeKeys
	case errors.As(err, &locked):
		code = CodeLocked
		err = fmt.Errorf("%w; stop the application first", err)
	case errors.Is(err, backup.ErrNotEmpty):
		code = CodeLocked
		err = fmt.Errorf("%w; -replace moves that aside", err)
	case errors.Is(err, fs.ErrExist):
		code = CodeLocked
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &outside), errors.As(err, &gone):
		code = CodeNotFound
	case errors.As(err, &damage), errors.As(err, &corrupt):
		code = CodeDamaged
	}
	fmt.Fprintf(c.Err, "%s: %s\n", paint(c.colorErr, bad, name), Coded(err))
	return code
}

// logDir finds the log of a data directory. Where a restore was cut off, part of a log may stand
// there, which would be taken for all of it.
func logDir(dir string) (string, error) {
	if there, err := backup.Interrupted(disk.Real(), dir); err != nil || there {
		return "", errors.Join(err, backup.ErrInterrupted)
	}
	for _, d := range []string{filepath.Join(dir, "log"), dir} {
		segments, err := fs.Glob(os.DirFS(d), "*.seg") // d may have brackets in it
		if err != nil {
			return "", err
		}
		if len(segments) > 0 {
			return d, nil
		}
	}
	if _, err := os.Stat(dir); err != nil {
		return "", &ExitError{CodeNotFound, err}
	}
	return "", &ExitError{CodeNotFound, fmt.Errorf("%s holds no log: there are no .seg files in it, nor in a log directory below it", dir)}
}
