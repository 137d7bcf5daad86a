package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

type connectionFlags struct {
	json      bool
	dir, user string
}

func setupConnections(fs *flag.FlagSet) func(*Console, Input) error {
	var f connectionFlags
	fs.BoolVar(&f.json, "json", false, "print one JSON document")
	fs.StringVar(&f.dir, "dir", "", "data directory of the running application (required)")
	fs.StringVar(&f.user, "user", "", "those of one user alone")
	return func(c *Console, _ Input) error { return c.connections(f) }
}

func setupKick(fs *flag.FlagSet) func(*Console, Input) error {
	var f connectionFlags
	fs.StringVar(&f.dir, "dir", "", "data directory of the running application (required)")
	return func(c *Console, in Input) error { return c.kick(in.Args[0], f) }
}

// shownConnections is what the application answers.
type shownConnections struct {
	Connections []struct {
		ID          uint64 `json:"id"`
		User        string `json:"user"`
		Remote      string `json:"remote"`
		Transport   string `json:"transport"`
		Since       string `json:"since"`
		QueuedBytes int    `json:"queued_bytes"`
	} `json:"connections"`
}

// connections prints the live connections of a node.
func (c *Console) connections(f connectionFlags) error {
	target := "/connections"
	if f.user != "" {
		target += "?user=" + url.QueryEscape(f.user)
	}
	text, err := c.operate(f.dir, "GET", target, "")
	if err != nil {
		return err
	}
	if f.json {
		_, err = fmt.Fprintf(c.Out, "%s\n", text)
		return err
	}
	var list shownConnections
	if err := jsonx.Unmarshal(text, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tUSER\tREMOTE\tTRANSPORT\tSINCE\tQUEUED")
	for _, x := range list.Connections {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\n", x.ID, x.User, x.Remote, x.Transport, x.Since, x.QueuedBytes)
	}
	return w.Flush()
}

// kick ends a connection, or all of a user.
func (c *Console) kick(who string, f connectionFlags) error {
	in := map[string]any{"user": who}
	if id, err := strconv.ParseUint(who, 10, 64); err == nil && id > 0 {
		in = map[string]any{"id": id}
	}
	body, err := jsonx.Append(nil, in)
	if err != nil {
		return err
	}
	text, err := c.operate(f.dir, "POST", "/connections/kick", string(body))
	if err != nil {
		return err
	}
	var out struct {
		Ended int `json:"ended"`
	}
	if err := jsonx.Unmarshal(text, &out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%d ended; clients come again as long as they may connect\n", out.Ended)
	return err
}

// maxOperatorAnswer bounds what an application answers: a few hundred bytes for each connection.
const maxOperatorAnswer = 256 << 20

// operate asks the running application.
func (c *Console) operate(dir, method, target, body string) (text []byte, err error) {
	if dir == "" {
		return nil, &ExitError{CodeUsage, errors.New("-dir is required")}
	}
	client, err := operatorClient(dir)
	if err != nil {
		return nil, err
	}
	gone := &ExitError{CodeUnreachable, fmt.Errorf("no application answers in %s; start it first", dir)}
	if client == nil {
		return nil, gone
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	q := &wire.ClientRequest{Method: method, URL: "http://operator" + target}
	if body != "" {
		q.Body, q.Length = strings.NewReader(body), int64(len(body))
		q.SetHeader("Content-Type", "application/json")
	}
	r, err := client.Do(context.Background(), q)
	var failed *wire.ClientError
	switch {
	case errors.As(err, &failed) && failed.Stage == wire.StageDial:
		return nil, gone
	case err != nil:
		return nil, err
	}
	text, err = r.ReadAll(maxOperatorAnswer)
	switch {
	case err != nil:
		return nil, err
	case r.StatusCode() == 404:
		return nil, &ExitError{CodeNotFound, errors.New("there is no such connection on this node")}
	case r.StatusCode() != 200:
		return nil, fmt.Errorf("the application answers %d: %s", r.StatusCode(), text)
	}
	return text, nil
}
