package cli

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// Fault is one kind of error that users see. Codes never change their meaning: LTH1 are those of
// requests (package rest), LTH2 of starts and settings, LTH3 of data, LTH4 of clusters, LTH5 of commands.
type Fault struct {
	Code  string   `json:"code"`
	Title string   `json:"title"`
	Hint  string   `json:"hint"`
	Names []string `json:"names,omitempty"` // in Go, or what middleware answers as code
	Page  string   `json:"page"`

	is []func(error) bool
}

// faults is the registry, but for those of requests. The first that fits an error is its own.
var faults = []Fault{
	{Code: "LTH2001", Title: "Wrong flags or settings", Hint: "-h lists all flags; config show -origin says where each value comes from"},
	fault("LTH2003", "The address is in use", "stop who holds it, or choose another with -addr", sentinel("wire.ErrSocketInUse", wire.ErrSocketInUse)),
	{Code: "LTH2004", Title: "It cannot listen on the address", Hint: "choose an address of this machine, and a port above 1023 unless it may use lower ones"},
	fault("LTH2008", "The reviewed schemas disagree", "run schema diff, have the difference reviewed, then schema apply", as[*model.ReviewError]("model.ReviewError")),
	fault("LTH2009", "Old records could not be read", "keep the old field under another name (was=), and fill the new one by Collection.Migrate; or go back to the old type", as[*model.EvolveError]("model.EvolveError")),
	fault("LTH2011", "A field may have another name now", "tag the new field was=OLD if it is the same, else change one in each of two starts, or schema apply -allow-lossy", as[*model.RenameError]("model.RenameError")),
	fault("LTH2002", "A model or a tag is wrong", "lithair vet shows the place; the message says what is allowed", as[*model.TagError]("model.TagError")),
	fault("LTH2010", "A field cannot become unique", "change one of the two records named, under the old program", as[*state.DuplicateError]("state.DuplicateError")),
	fault("LTH2005", "The data directory is in use", "stop the process that has it open, or choose another directory", as[*disk.LockedError]("disk.LockedError")),
	fault("LTH2006", "The disk is full", "free some space, or move the data directory; writes go on by themselves when there is room",
		sentinel("eventlog.ErrFull", eventlog.ErrFull), sentinel("engine.ErrFull", engine.ErrFull), known{is: disk.IsFull}),
	fault("LTH2007", "A file or directory may not be used", "change its owner or its mode, or the mount", known{is: func(err error) bool { return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) }}),

	fault("LTH3004", "It is encrypted, and there are no keys", "name the file of the keys with -encryption-key-file, or set LITHAIR_ENCRYPTION_KEY", sentinel("crypt.ErrNoKeys", crypt.ErrNoKeys)),
	fault("LTH3005", "A key is unknown", "add the key of that number to the file; old keys stay in it as long as their data does", sentinel("crypt.ErrUnknownKey", crypt.ErrUnknownKey)),
	fault("LTH3006", "A key is not the one it was sealed with", "look for the file with the right keys", sentinel("crypt.ErrWrongKey", crypt.ErrWrongKey)),
	fault("LTH3007", "Keys are not written as they must be", "a line is NUMBER:KEY, the key 64 hexadecimal digits", sentinel("crypt.ErrKeyFormat", crypt.ErrKeyFormat)),
	fault("LTH3008", "A backup is damaged", "use another one; backup writes and checks a new one", as[*backup.DamageError]("backup.DamageError")),
	fault("LTH3009", "The backup does not hold that moment", "the message names the first and last it holds", as[*backup.RangeError]("backup.RangeError")),
	fault("LTH3010", "The directory is not empty", "choose another, or move it aside with -replace", sentinel("backup.ErrNotEmpty", backup.ErrNotEmpty)),
	fault("LTH3011", "A restore was interrupted here", "run the restore again, or start the application once: it finishes it", sentinel("backup.ErrInterrupted", backup.ErrInterrupted)),
	fault("LTH3012", "That moment is gone", "retention removed the log before; ask for the oldest index named, or restore an older backup", as[*engine.GoneError]("engine.GoneError")),
	fault("LTH3015", "That moment has not come", "use the Lithair-Index of an answer of this application", sentinel("engine.ErrFuture", engine.ErrFuture)),
	fault("LTH3013", "Nothing sound is left of the log", "restore a backup, or reseed the node from the others", sentinel("eventlog.ErrNothingSound", eventlog.ErrNothingSound)),
	fault("LTH3001", "The log is damaged", "restore a backup, or reseed the node from the others; log verify says where, log repair cuts it back", as[*eventlog.CorruptError]("eventlog.CorruptError")),
	fault("LTH3002", "A snapshot is damaged", "nothing is to be done where the log reaches back: it is put aside; else restore a backup", as[*state.SnapshotError]("state.SnapshotError")),
	fault("LTH3003", "The disk failed to make a write durable", "look at the disk, then start again: what was acknowledged is there", sentinel("eventlog.ErrPoisoned", eventlog.ErrPoisoned)),
	fault("LTH3014", "An event contradicts the state", "the log is of another program, or was changed: restore a backup", as[*state.FactError]("state.FactError")),
	fault("LTH3016", "A file of a record is damaged", "restore it from a backup; a cluster fetches it from another node by itself", sentinel("blob.ErrDamaged", blob.ErrDamaged)),
	fault("LTH3017", "The log has no chain", "clusters and backups need one: begin a new log with it", sentinel("eventlog.ErrNoChain", eventlog.ErrNoChain)),

	fault("LTH4001", "The directory is of no cluster member", "name the directory of a node that ran in a cluster with -dir", sentinel("node.ErrNotInCluster", node.ErrNotInCluster), sentinel("node.ErrNoMember", node.ErrNoMember)),
	fault("LTH4002", "The new cluster needs another name", "old members must be able to tell the two apart", sentinel("node.ErrSameCluster", node.ErrSameCluster)),
	fault("LTH4003", "The node was getting a snapshot", "its state is not whole: use another node's directory, or reseed it", sentinel("node.ErrInstalling", node.ErrInstalling)),
	fault("LTH4004", "The others need what this node has", "they are no quorum without it: bring more of them up first", sentinel("node.ErrNeeded", node.ErrNeeded)),
	fault("LTH4005", "The node must be reseeded", "run cluster reseed in its directory, then start it again", sentinel("node.ErrNeedsReseed", node.ErrNeedsReseed)),
	fault("LTH4006", "The log lacks what this node acknowledged", "run cluster reseed: the others have it", sentinel("node.ErrMissing", node.ErrMissing)),
	fault("LTH4007", "The directory is of another cluster or node", "check -cluster, -node-id and -data; a member's data goes on alone only in another directory, made of a backup by restore", sentinel("node.ErrForeign", node.ErrForeign), sentinel("node.ErrWrongCluster", node.ErrWrongCluster), sentinel("node.ErrWrongNode", node.ErrWrongNode), sentinel("node.ErrOtherDirectory", node.ErrOtherDirectory)),
	fault("LTH4008", "The cluster secret is wrong", "all nodes have the same -cluster-secret-file", sentinel("node.ErrWrongSecret", node.ErrWrongSecret)),
	fault("LTH4009", "The node speaks another version", "upgrade one node after the other, and no further than one version apart", sentinel("node.ErrWrongVersion", node.ErrWrongVersion)),
	fault("LTH4010", "The change would leave no quorum", "the message has the numbers: bring members up, or add some, first", as[*consensus.QuorumError]("consensus.QuorumError")),
	fault("LTH4011", "The node is fenced", "its state is not that of the others: run cluster verify, then cluster reseed", as[*node.FencedError]("node.FencedError")),
	fault("LTH4012", "The node stands alone", "it has no other members to ask", sentinel("node.ErrAlone", node.ErrAlone)),
	fault("LTH4013", "The release does not read the cluster's format", "start one that does: the message names what this one reads, and what the cluster writes", as[*consensus.FormatError]("consensus.FormatError")),
	fault("LTH4014", "The file of a node's promises is damaged", "wait an election timeout after the node's last run has ended, then remove the file named", sentinel("node.ErrPromise", node.ErrPromise)),

	fault("LTH5001", "Wrong usage of a command", "-h behind the command shows flags and examples", known{is: code(CodeUsage)}),
	fault("LTH5002", "No application answers", "start it, or name its data directory with -dir, or its address with -url", known{is: code(CodeUnreachable)}),
	fault("LTH5003", "Nothing is there", "check the path or the name", known{is: code(CodeNotFound)}, known{is: func(err error) bool { return errors.Is(err, fs.ErrNotExist) }}),
	fault("LTH5004", "Something is there already", "choose another name, or agree to replace it with the flag named", known{is: code(CodeLocked)}, known{is: func(err error) bool { return errors.Is(err, fs.ErrExist) }}),

	// What middleware of package wire answers has a name and no number of its own.
	{Code: "LTH1101", Title: "The request took too long", Hint: "ask for less, or raise -request-timeout", Names: []string{"timeout"}},
	{Code: "LTH1102", Title: "Too many requests", Hint: "wait as long as Retry-After says", Names: []string{"rate_limited"}},
	{Code: "LTH1103", Title: "A page of another origin", Hint: "add the origin to those that are trusted, if it is", Names: []string{"cross_origin"}},
	{Code: "LTH1104", Title: "The address is not allowed", Hint: "see the address rules of the application", Names: []string{"address"}},
	{Code: "LTH1105", Title: "Refused by the CORS policy", Hint: "allow the origin, method or field in the policy", Names: []string{"cors"}},
	{Code: "LTH1106", Title: "Too many requests are in flight", Hint: "wait as long as Retry-After says", Names: []string{"busy"}},
}

// known is a Go error that belongs to a fault.
type known struct {
	name string // package.Name; empty: not an exported name
	is   func(error) bool
}

func sentinel(name string, want error) known {
	return known{name, func(err error) bool { return errors.Is(err, want) }}
}

func as[E error](name string) known {
	return known{name, func(err error) bool { _, ok := errors.AsType[E](err); return ok }}
}

// code fits errors with an exit code of their own.
func code(n int) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*ExitError](err)
		return ok && e.Code == n
	}
}

func fault(code, title, hint string, list ...known) Fault {
	f := Fault{Code: code, Title: title, Hint: hint}
	for _, k := range list {
		if k.name != "" {
			f.Names = append(f.Names, k.name)
		}
		f.is = append(f.is, k.is)
	}
	return f
}

// Faults lists the whole registry by code.
func Faults() []Fault {
	list := slices.Clone(faults)
	for _, c := range rest.Codes {
		list = append(list, Fault{Code: c.Code, Title: c.Title, Hint: c.Hint, Names: []string{fmt.Sprint(c.Status)}})
	}
	slices.SortFunc(list, func(a, b Fault) int { return strings.Compare(a.Code, b.Code) })
	for i := range list {
		list[i].Page = "docs/errors.md#" + strings.ToLower(list[i].Code)
	}
	return list
}

// CodeOf returns the code of an error; "" when it has none. Errors with a method FaultCode say it
// themselves.
func CodeOf(err error) string {
	var own interface{ FaultCode() string }
	if errors.As(err, &own) && own.FaultCode() != "" {
		return own.FaultCode()
	}
	for i := range faults {
		for _, is := range faults[i].is {
			if is(err) {
				return faults[i].Code
			}
		}
	}
	return ""
}

// Coded is the text of an error with its code behind it, if it has one.
func Coded(err error) string {
	if code := CodeOf(err); code != "" {
		return err.Error() + " [" + code + "]"
	}
	return err.Error()
}

func setupErrorsLookup(fs *flag.FlagSet) func(*Console, Input) error {
	asJSON := fs.Bool("json", false, "print a JSON document for each, one a line")
	return func(c *Console, in Input) error {
		found := lookup(in.Args[0])
		if len(found) == 0 {
			return &ExitError{CodeNotFound, fmt.Errorf("no error has the code %q, nor these words in it; errors list prints all", in.Args[0])}
		}
		return c.printFaults(found, *asJSON)
	}
}

// lookup finds faults by code, in a text that has one, by name, or by words.
func lookup(text string) (found []Fault) {
	all, low := Faults(), strings.ToLower(text)
	for _, f := range all {
		if strings.Contains(low, strings.ToLower(f.Code)) || slices.ContainsFunc(f.Names, func(n string) bool { return strings.EqualFold(n, text) }) {
			found = append(found, f)
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, f := range all {
		have := strings.ToLower(f.Title + " " + f.Hint + " " + strings.Join(f.Names, " "))
		if !slices.ContainsFunc(strings.Fields(low), func(w string) bool { return !strings.Contains(have, w) }) {
			found = append(found, f)
		}
	}
	return found
}

func setupErrorsList(fs *flag.FlagSet) func(*Console, Input) error {
	asJSON := fs.Bool("json", false, "print a JSON document for each, one a line")
	return func(c *Console, in Input) error { return c.printFaults(Faults(), *asJSON) }
}

func (c *Console) printFaults(list []Fault, asJSON bool) error {
	for _, f := range list {
		if asJSON {
			if err := c.PrintJSON(f); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(c.Out, "%s  %s\n  %s\n", f.Code, f.Title, f.Hint); err != nil {
			return err
		}
		if len(f.Names) > 0 {
			fmt.Fprintf(c.Out, "  also: %s\n", strings.Join(f.Names, ", "))
		}
	}
	return nil
}
