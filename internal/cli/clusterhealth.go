package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/jsonx"
)

func setupClusterMembers(fs *flag.FlagSet) func(*Console, Input) error {
	var f clusterFlags
	f.set(fs)
	return func(c *Console, _ Input) error {
		b, s, err := askCluster(f, "GET", nil)
		switch {
		case err != nil:
			return err
		case f.json:
			_, err := c.Out.Write(b)
			return err
		}
		t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NODE\tMEMBER\tPEERS\tURL")
		for _, m := range s.Members {
			if m.Error != "" {
				m.URL = "silent: " + m.Error
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", m.ID, m.Member, m.Address, m.URL)
		}
		return t.Flush()
	}
}

// agreement is what a node found of the members of its cluster.
type agreement struct {
	clusterStatus
	Sequence uint64   `json:"sequence"`
	LogIndex uint64   `json:"log_index"`
	Agree    bool     `json:"agree"`
	Problems []string `json:"problems"`
}

// setupClusterAgreement is hash, which shows the states, and with logs verify. Both fail where members differ
// or do not answer.
func setupClusterAgreement(logs bool) func(fs *flag.FlagSet) func(*Console, Input) error {
	return func(fs *flag.FlagSet) func(*Console, Input) error {
		var f clusterFlags
		f.set(fs)
		return func(c *Console, _ Input) error {
			b, err := askOperator(f.dir, "GET", "/cluster/agreement", nil)
			if err != nil {
				return err
			}
			var a agreement
			if err := jsonx.Unmarshal(b, &a); err != nil {
				return err
			}
			if f.json {
				_, err = c.Out.Write(b)
			} else {
				err = c.printAgreement(a, logs)
			}
			if err == nil && !a.Agree {
				err = &ExitError{CodeFailed, errors.New(strings.Join(a.Problems, "; "))}
			}
			return err
		}
	}
}

func (c *Console) printAgreement(a agreement, logs bool) error {
	fmt.Fprintf(c.Out, "cluster %s at sequence %d, log index %d\n", a.Cluster, a.Sequence, a.LogIndex)
	t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	head := "NODE\tSTATE HASH"
	if logs {
		head += "\tTERM\tLEADER\tCHAIN"
	}
	fmt.Fprintln(t, head)
	for _, m := range a.Members {
		if m.Error != "" {
			fmt.Fprintf(t, "%d\t%s\n", m.ID, m.Error)
			continue
		}
		line := fmt.Sprintf("%d\t%s", m.ID, m.Hash)
		if logs {
			line += fmt.Sprintf("\t%d\t%d\t%.32s", m.Term, m.Leader, m.Chain)
		}
		fmt.Fprintln(t, line)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if a.Agree {
		fmt.Fprintln(c.Out, "all members have the same")
	}
	return nil
}

// token is what a node makes for the next one.
type token struct {
	Token   string    `json:"token"`
	Cluster string    `json:"cluster"`
	Node    int64     `json:"node"`
	Expires time.Time `json:"expires"`
	Command string    `json:"command"`
}

// setupJoinToken makes a token and prints the command line for the next node.
func setupJoinToken(fs *flag.FlagSet) func(*Console, Input) error {
	var f clusterFlags
	f.set(fs)
	valid := fs.Duration("valid", time.Hour, "how long it is good for, a week at most")
	file := fs.String("o", "", "file to put the token into; it must not be there yet")
	return func(c *Console, _ Input) error {
		body, err := jsonx.Append(nil, map[string]any{"seconds": int64(*valid / time.Second)})
		if err != nil {
			return err
		}
		b, err := askOperator(f.dir, "POST", "/cluster/token", body)
		if err != nil {
			return err
		}
		var t token
		if err := jsonx.Unmarshal(b, &t); err != nil {
			return err
		}
		name := *file
		if name == "" {
			name = fmt.Sprintf("node%d.token", t.Node)
		}
		t.Command = fmt.Sprintf("./APP -join-token-file %s -peer-addr HOST:PORT -addr HOST:PORT -data DIR", name)
		if *file != "" {
			if err := writeSecret(*file, t.Token); err != nil {
				return err
			}
		}
		if f.json {
			return c.PrintJSON(t)
		}
		fmt.Fprintf(c.Err, "A token for node %d of cluster %s, good until %s. It holds the cluster's secret: keep it as one.\nThe node joins as a learner, and votes when it has caught up. Start it with the token and addresses of its own:\n", t.Node, t.Cluster, t.Expires.Format(time.RFC3339))
		if *file == "" {
			fmt.Fprintf(c.Out, "(umask 077; echo %s > %s)\n", t.Token, name)
		}
		_, err = fmt.Fprintln(c.Out, t.Command)
		return err
	}
}

// writeSecret makes a file that only its owner reads.
func writeSecret(name, text string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, text)
	return errors.Join(err, file.Close())
}

// setupClusterRecover is for the day on which most voters are gone for good.
func setupClusterRecover(n Node) func(fs *flag.FlagSet) func(*Console, Input) error {
	return func(fs *flag.FlagSet) func(*Console, Input) error {
		dir := fs.String("dir", "", "data directory of a node that does not run (required)")
		yes := fs.Bool("yes", false, "do not ask")
		dry := fs.Bool("dry-run", false, "say what is known and what may be lost, and change nothing")
		json := fs.Bool("json", false, "print one JSON document; needs -yes or -dry-run")
		return func(c *Console, in Input) error {
			if *dir == "" {
				return &ExitError{CodeUsage, errors.New("-dir is required")}
			}
			if _, _, err := net.SplitHostPort(in.Args[1]); err != nil {
				return &ExitError{CodeUsage, fmt.Errorf("%q is not HOST:PORT", in.Args[1])}
			}
			if *json && !*yes && !*dry {
				return &ExitError{CodeUsage, errors.New("-json needs -yes or -dry-run: nobody is asked")}
			}
			r, err := n.Recover(*dir, in.Args[0], in.Args[1], in.Keys, func(r Recovery) error {
				if !*json {
					c.printRecovery(r)
				}
				switch {
				case *dry:
					return errDry
				case *yes:
					return nil
				}
				return c.agreeByName(in.Args[0])
			})
			switch {
			case errors.Is(err, errDry):
				err = nil
			case errors.Is(err, node.ErrNotInCluster):
				return &ExitError{CodeNotFound, err}
			case errors.Is(err, node.ErrSameCluster), errors.Is(err, node.ErrInstalling):
				return &ExitError{CodeLocked, err}
			case err == nil && !*json:
				fmt.Fprintf(c.Err, "Done. Start it with\n")
				_, err = fmt.Fprintf(c.Out, "-cluster %s -node-id %d -peer-addr %s -cluster-secret-file FILE\n", r.Cluster, r.Node, in.Args[1])
				fmt.Fprintln(c.Err, "and let new nodes join it (lithair cluster join-token). Never start an old member's directory again but to read it.")
			}
			if err == nil && *json {
				return c.PrintJSON(r)
			}
			return err
		}
	}
}

// errDry ends a recovery that was to say what it would do.
var errDry = errors.New("dry run")

// Recovery is what is known of a cluster that has lost its quorum, as the framework's type of
// that name describes it.
type Recovery struct {
	Node      uint64    `json:"node"`
	Cluster   string    `json:"cluster"`
	Term      uint64    `json:"term"`
	Members   []uint64  `json:"members"`
	Committed uint64    `json:"committed"`
	Last      uint64    `json:"last"`
	LastTerm  uint64    `json:"last_term"`
	LastTime  time.Time `json:"last_time"`
}

func (c *Console) printRecovery(r Recovery) {
	fmt.Fprintf(c.Err, `RECOVERY FROM A LOST QUORUM. This is outside of what keeps a cluster's promises: acknowledged writes may be lost.

node %d, term %d; the members were %v
known to be committed: log index %d
kept, committed or not: up to log index %d (term %d, %s)
LOST: whatever the others acknowledged behind that, without this node.

Look at the directories of all nodes that can be read (-dry-run): the one with the highest term of its last entry, and of these with
the highest index, has the most. Recover from one directory only, and from no two.
Node %d will be the only voter of a new cluster, %s. The old members are refused by it; they come back with empty directories.
`, r.Node, r.Term, r.Members, r.Committed, r.Last, r.LastTerm, r.LastTime.Format(time.RFC3339), r.Node, r.Cluster)
}

// agreeByName has the name typed of what is about to be changed.
func (c *Console) agreeByName(name string) error {
	fmt.Fprintf(c.Err, "Type the name of the new cluster to go on: ")
	answer, err := c.In.ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if strings.TrimSpace(answer) != name {
		return errors.New("not agreed to; nothing was changed")
	}
	return nil
}
