package lithair

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
)

// operate carries out a command on the data of this application, or on its nodes, and returns
// the exit code. The data directory is that of the settings, unless the command names another.
func (a *App) operate(args, environ []string, out io.Writer) int {
	if err := a.cfg.load(nil, environ, out); err != nil {
		fmt.Fprintf(out, "%s: %s\n", a.cfg.Name, cli.Coded(err))
		return exitUsage
	}
	return a.program().Run(&cli.Console{In: bufio.NewReader(os.Stdin), Out: os.Stdout, Err: out}, args)
}

// program are the commands of this application.
func (a *App) program() *cli.Program {
	// Serving is a matter of run: its row is here for help and completion.
	serve := cli.Command{Name: "serve", What: "run the application; so do flags without a command (-h lists them)", Setup: func(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
		for _, s := range a.cfg.settings() {
			fs.Var(s, s.flag, s.usage)
		}
		return nil
	}}
	commands := cli.Operations(cli.Node{Reseed: Reseed, Recover: recoverNode})
	return &cli.Program{Name: a.cfg.Name, Dir: a.cfg.Dir, Commands: slices.Concat([]cli.Command{serve}, commands, cli.SchemaCommands(a.schema), []cli.Command{{Name: "config show", What: "print the settings", Examples: "  lithair config show -origin     and where each comes from: flag, environment, file or program", Setup: a.setupConfigShow}})}
}

// shownSetting is what config show prints with -json.
type shownSetting struct {
	Name   string `json:"name"`
	Env    string `json:"env"`
	Value  string `json:"value"`
	Origin string `json:"origin,omitempty"`
}

// setupConfigShow prints the settings as they count. None of them is a secret: those stand in files.
func (a *App) setupConfigShow(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	origin := fs.Bool("origin", false, "and where each comes from")
	asJSON := fs.Bool("json", false, "print a JSON document for each, one a line")
	return func(c *cli.Console, _ cli.Input) error {
		for _, s := range a.cfg.settings() {
			shown := shownSetting{Name: s.flag, Env: s.env, Value: s.String()}
			if *origin {
				if shown.Origin = a.cfg.origin[s.flag]; shown.Origin == "" {
					shown.Origin = "program"
				}
			}
			if *asJSON {
				if err := c.PrintJSON(shown); err != nil {
					return err
				}
				continue
			}
			line := fmt.Sprintf("%-22s %s", shown.Name, shown.Value)
			if *origin {
				line = fmt.Sprintf("%-22s %-30s %s", shown.Name, shown.Value, shown.Origin)
			}
			if _, err := fmt.Fprintln(c.Out, strings.TrimRight(line, " ")); err != nil {
				return err
			}
		}
		return nil
	}
}

// recoverNode is RecoverCluster for the commands.
func recoverNode(dir, cluster, address string, keys eventlog.KeyProvider, agree func(cli.Recovery) error) (cli.Recovery, error) {
	r, err := RecoverCluster(RecoverConfig{Dir: dir, Cluster: cluster, Address: address, Keys: keys,
		Agree: func(r Recovery) error { return agree(cli.Recovery(r)) }})
	return cli.Recovery(r), err
}
