package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// clusterFlags are those of all commands on a running cluster.
type clusterFlags struct {
	dir  string
	json bool
	yes  bool
}

func (f *clusterFlags) set(fs *flag.FlagSet) {
	fs.StringVar(&f.dir, "dir", "", "data directory of a running node (required)")
	fs.BoolVar(&f.json, "json", false, "print what the node answers, for machines")
}

// clusterStatus is what a node tells of its cluster.
type clusterStatus struct {
	Cluster string          `json:"cluster"`
	Node    uint64          `json:"node"` // who was asked
	Leader  uint64          `json:"leader"`
	Term    uint64          `json:"term"`
	Voters  int             `json:"voters"`
	Quorum  int             `json:"quorum"`
	Format  uint64          `json:"format"` // the active one
	Members []clusterMember `json:"members"`
}

// clusterMember is one of its members.
type clusterMember struct {
	ID      uint64 `json:"id"`
	Member  string `json:"member"`
	Role    string `json:"role"`
	Address string `json:"address"`
	URL     string `json:"url"`
	Applied uint64 `json:"applied"`
	Seq     uint64 `json:"seq"`
	Hash    string `json:"state_hash"`
	Term    uint64 `json:"term"`
	Leader  uint64 `json:"leader"`
	Chain   string `json:"chain"`
	Error   string `json:"error"`

	OldestFormat uint64 `json:"oldest_format"` // that its release reads; 0: it does not say
	NewestFormat uint64 `json:"newest_format"`

	Damaged  string    `json:"damaged"` // what of its disk
	Fenced   string    `json:"fenced"`  // why it answers nothing
	Removed  bool      `json:"removed"` // it is no member any more
	Snapshot *struct { // that it is being fed with
		Bytes uint64 `json:"bytes"`
		Size  uint64 `json:"size"`
	} `json:"snapshot"`
}

// formats are what a member's release reads; releases before formats had numbers read 1 alone.
func (m *clusterMember) formats() string {
	if m.NewestFormat <= max(1, m.OldestFormat) {
		return strconv.FormatUint(max(1, m.NewestFormat), 10)
	}
	return fmt.Sprintf("%d-%d", m.OldestFormat, m.NewestFormat)
}

// doing is what a member is, and how far it has come with a snapshot.
func (m *clusterMember) doing(format uint64) string {
	switch {
	case format > max(1, m.NewestFormat) || max(1, format) < m.OldestFormat:
		return m.Role + ", not fed: its release does not read the format"
	case m.Removed:
		return m.Role + ", removed from the cluster: stop it"
	case m.Fenced != "":
		return m.Role + ", fenced: its state is not that of the others"
	case m.Damaged != "":
		return m.Role + ", damaged: start it again"
	case m.Snapshot == nil:
		return m.Role
	}
	return fmt.Sprintf("%s, gets a snapshot: %d of %d bytes", m.Role, m.Snapshot.Bytes, m.Snapshot.Size)
}

func setupClusterStatus(fs *flag.FlagSet) func(*Console, Input) error {
	var f clusterFlags
	f.set(fs)
	return func(c *Console, _ Input) error { return c.cluster(f, "GET", nil) }
}

// setupClusterChange is a command that changes something about one node.
func setupClusterChange(do string) func(fs *flag.FlagSet) func(*Console, Input) error {
	return func(fs *flag.FlagSet) func(*Console, Input) error {
		var f clusterFlags
		f.set(fs)
		if do == "remove" {
			fs.BoolVar(&f.yes, "yes", false, "do not ask")
		}
		return func(c *Console, in Input) error {
			id, err := nodeNumber(in.Args[0])
			if err != nil {
				return err
			}
			if do == "remove" && !f.yes {
				fmt.Fprintf(c.Out, "Node %d will be removed; it comes back only as a new one, with an empty directory.\n", id)
				if err := c.agree("Remove it?"); err != nil {
					return err
				}
			}
			body, err := jsonx.Append(nil, map[string]any{"do": do, "id": id})
			if err != nil {
				return err
			}
			if err := c.cluster(f, "POST", body); err != nil || do != "remove" {
				return err
			}
			fmt.Fprintf(c.Err, "Node %d is removed: stop it.\n", id)
			return nil
		}
	}
}

func nodeNumber(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil || id == 0 {
		return 0, &ExitError{CodeUsage, fmt.Errorf("%q is no number of a node", text)}
	}
	return id, nil
}

// askCluster asks the running node for its cluster.
func askCluster(f clusterFlags, method string, body []byte) (b []byte, s clusterStatus, err error) {
	if b, err = askOperator(f.dir, method, "/cluster", body); err == nil {
		err = jsonx.Unmarshal(b, &s)
	}
	return b, s, err
}

// operatorWait bounds how long an answer about a cluster is waited for: nodes take 10 s at most for a change, and 1 s for what others say. A
// variable for tests.
var operatorWait = 20 * time.Second

// askOperator asks the running node; a refusal is an error with its reason.
func askOperator(dir, method, path string, body []byte) (b []byte, err error) {
	if dir == "" {
		return nil, &ExitError{CodeUsage, errors.New("-dir is required")}
	}
	client, err := operatorClient(dir)
	if err != nil {
		return nil, err
	}
	away := &ExitError{CodeUnreachable, fmt.Errorf("no application answers in %s; start it first", dir)}
	if client == nil {
		return nil, away
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	q := &wire.ClientRequest{Method: method, URL: "http://operator" + path}
	if body != nil {
		q.Header, q.Body = [][2]string{{"Content-Type", "application/json"}}, strings.NewReader(string(body))
	}
	ctx, cancel := context.WithTimeout(context.Background(), operatorWait)
	defer cancel()
	r, err := client.Do(ctx, q)
	var failed *wire.ClientError
	if errors.As(err, &failed) && failed.Stage == wire.StageDial {
		return nil, away
	}
	if ctx.Err() != nil {
		done := ""
		if method != "GET" {
			done = "; what was asked for may be done all the same: see cluster status"
		}
		return nil, &ExitError{CodeUnreachable, fmt.Errorf("the application in %s did not answer within %v: it is stopped, or has too much to do%s", dir, operatorWait, done)}
	}
	if err != nil {
		return nil, err
	}
	if b, err = r.ReadAll(1 << 20); err != nil {
		return nil, err
	}
	if r.StatusCode() == 200 {
		return b, nil
	}
	var p struct {
		Detail string `json:"detail"`
	}
	if jsonx.Unmarshal(b, &p) != nil {
		p.Detail = string(b)
	}
	code := CodeFailed
	switch r.StatusCode() {
	case 404:
		code = CodeNotFound
	case 409:
		code = CodeLocked
	}
	return nil, &ExitError{code, errors.New(p.Detail)}
}

// cluster asks the node and prints the cluster as it answers.
func (c *Console) cluster(f clusterFlags, method string, body []byte) error {
	b, s, err := askCluster(f, method, body)
	if err != nil {
		return err
	}
	if f.json {
		_, err := c.Out.Write(b)
		return err
	}
	return c.printCluster(s)
}

func (c *Console) printCluster(s clusterStatus) error {
	leader := fmt.Sprintf("node %d leads in term %d", s.Leader, s.Term)
	if s.Leader == 0 {
		leader = "no leader is known"
	}
	fmt.Fprintf(c.Out, "cluster %s: %s; %d voters, %d of them are needed for a write; format %d\n", s.Cluster, leader, s.Voters, s.Quorum, max(1, s.Format))
	if !slices.ContainsFunc(s.Members, func(m clusterMember) bool { return m.ID == s.Node }) {
		fmt.Fprintf(c.Out, "node %d, which says so, is no member: it is not taken in yet, or has been removed, and what it knows may be old\n", s.Node)
	}
	last := uint64(0)
	for _, m := range s.Members {
		last = max(last, m.Applied)
	}
	t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tMEMBER\tROLE\tPEERS\tURL\tSEQUENCE\tBEHIND\tFORMATS\tSTATE HASH")
	for _, m := range s.Members {
		if m.Error != "" {
			fmt.Fprintf(t, "%d\t%s\tsilent\t%s\t\t\t\t\t%s\n", m.ID, m.Member, m.Address, m.Error)
			continue
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", m.ID, m.Member, m.doing(s.Format), m.Address, m.URL, m.Seq, last-m.Applied, m.formats(), m.Hash)
	}
	return t.Flush()
}

// setupClusterReseed empties a node, for the others to feed it anew.
func setupClusterReseed(n Node) func(fs *flag.FlagSet) func(*Console, Input) error {
	return func(fs *flag.FlagSet) func(*Console, Input) error {
		var f clusterFlags
		fs.StringVar(&f.dir, "dir", "", "data directory of a member that does not run (required)")
		fs.BoolVar(&f.yes, "yes", false, "do not ask")
		return func(c *Console, in Input) error {
			if f.dir == "" {
				return &ExitError{CodeUsage, errors.New("-dir is required")}
			}
			if !f.yes {
				fmt.Fprintf(c.Out, "Log and state in %s will be removed; the node gets them anew from the others when it starts.\n", f.dir)
				if err := c.agree("Remove them?"); err != nil {
					return err
				}
			}
			err := n.Reseed(f.dir)
			var locked *disk.LockedError
			switch {
			case errors.As(err, &locked), errors.Is(err, node.ErrNeeded):
				return &ExitError{CodeLocked, err}
			case errors.Is(err, node.ErrNoMember):
				return &ExitError{CodeNotFound, err}
			case err != nil:
				return err
			}
			_, err = fmt.Fprintln(c.Out, "removed; start the node, and it is taken in again")
			return err
		}
	}
}

// setupClusterAdd prints how the next node is started.
func setupClusterAdd(fs *flag.FlagSet) func(*Console, Input) error {
	var f clusterFlags
	f.set(fs)
	return func(c *Console, in Input) error {
		id, err := nodeNumber(in.Args[0])
		if err != nil {
			return err
		}
		if _, _, err := net.SplitHostPort(in.Args[1]); err != nil {
			return &ExitError{CodeUsage, fmt.Errorf("%q is not HOST:PORT", in.Args[1])}
		}
		_, s, err := askCluster(f, "GET", nil)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(s.Members, func(m clusterMember) bool { return m.ID == id }) {
			return &ExitError{CodeLocked, fmt.Errorf("node %d is a member already", id)}
		}
		var join []string
		for _, m := range s.Members {
			join = append(join, m.Address)
		}
		flags := fmt.Sprintf("-cluster %s -node-id %d -peer-addr %s -join %s -cluster-secret-file FILE", s.Cluster, id, in.Args[1], strings.Join(join, ","))
		if f.json {
			return c.PrintJSON(map[string]any{"cluster": s.Cluster, "node": id, "flags": flags})
		}
		fmt.Fprintf(c.Err, "Start node %d with these flags beside its own; it joins as a learner, and votes when it has caught up:\n", id)
		_, err = fmt.Fprintln(c.Out, flags)
		return err
	}
}

// unprintable are characters that printed flags could not be copied with.
func unprintable(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune("\"'`\\$&|;<>()*?[]#~!{}", r)
}

// setupClusterInit makes a secret and prints how the first nodes are started.
func setupClusterInit(fs *flag.FlagSet) func(*Console, Input) error {
	json := fs.Bool("json", false, "print one JSON document")
	secret := fs.String("secret", "cluster.secret", "file to put a new secret into; one that is there is kept")
	return func(c *Console, in Input) error {
		if strings.ContainsFunc(in.Args[0], unprintable) {
			return &ExitError{CodeUsage, fmt.Errorf("the name %q has characters that a command line cannot hold as they are: take letters, digits, - and _", in.Args[0])}
		}
		var peers []string
		seen := map[string]bool{}
		for i, at := range strings.Split(in.Args[1], ",") {
			host, port, err := net.SplitHostPort(at)
			switch {
			case err != nil || host == "" || port == "":
				return &ExitError{CodeUsage, fmt.Errorf("%q is not HOST:PORT", at)}
			case seen[at]:
				return &ExitError{CodeUsage, fmt.Errorf("%s is there twice: each node has an address of its own", at)}
			}
			seen[at] = true
			peers = append(peers, fmt.Sprintf("%d=%s", i+1, at))
		}
		file, err := os.OpenFile(*secret, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		made := "The new secret is in"
		switch {
		case errors.Is(err, os.ErrExist):
			made = "The secret that was there is kept, in"
		case err != nil:
			return err
		default:
			_, err = fmt.Fprintln(file, rand.Text())
			if err = errors.Join(err, file.Close()); err != nil {
				return err
			}
		}
		at, err := filepath.Abs(*secret)
		if err != nil {
			return err
		}
		var flags []string
		for i := range peers {
			flags = append(flags, fmt.Sprintf("-cluster %s -node-id %d -peers %s -cluster-secret-file %s", in.Args[0], i+1, strings.Join(peers, ","), *secret))
		}
		if *json {
			return c.PrintJSON(map[string]any{"cluster": in.Args[0], "secret_file": at, "flags": flags})
		}
		fmt.Fprintf(c.Err, "%s %s; every node needs a copy. Start one node with each of these, beside its own -addr and -data.\nOff loopback nodes also need certificates (-peer-tls-cert, -peer-tls-key, -peer-tls-ca; cluster certs makes some) or -cluster-insecure.\n", made, at)
		for _, line := range flags {
			if _, err := fmt.Fprintln(c.Out, line); err != nil {
				return err
			}
		}
		return nil
	}
}
