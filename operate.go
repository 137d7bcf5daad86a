package lithair

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

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
	return &cli.Program{Name: a.cfg.Name, Dir: a.cfg.Dir, Commands: slices.Concat([]cli.Command{serve}, commands, cli.SchemaCommands(a.schema))}
}

// recoverNode is RecoverCluster for the commands.
func recoverNode(dir, cluster, address string, keys eventlog.KeyProvider, agree func(cli.Recovery) error) (cli.Recovery, error) {
	r, err := RecoverCluster(RecoverConfig{Dir: dir, Cluster: cluster, Address: address, Keys: keys,
		Agree: func(r Recovery) error { return agree(cli.Recovery(r)) }})
	return cli.Recovery(r), err
}
