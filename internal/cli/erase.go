package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

type eraseFlags struct {
	yes bool
	dir string
}

func setupErase(fs *flag.FlagSet) func(*Console, Input) error {
	var f eraseFlags
	fs.BoolVar(&f.yes, "yes", false, "do not ask")
	fs.StringVar(&f.dir, "dir", "", "data directory of the running application (required)")
	return func(c *Console, in Input) error { return c.erase(in.Args[0], f) }
}

// erase has the running application destroy the key of a subject.
func (c *Console) erase(subject string, f eraseFlags) (err error) {
	if f.dir == "" {
		return &ExitError{CodeUsage, errors.New("-dir is required")}
	}
	client, err := operatorClient(f.dir)
	if err != nil {
		return err
	}
	if client == nil {
		return &ExitError{CodeUnreachable, fmt.Errorf("no application answers in %s; start it first", f.dir)}
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if !f.yes {
		fmt.Fprintf(c.Out, "The key of subject %q will be destroyed: what is sealed for it cannot be read any more.\n", subject)
		if err := c.agree("It cannot be undone. Erase?"); err != nil {
			return err
		}
	}
	body, err := jsonx.Append(nil, map[string]string{"subject": subject})
	if err != nil {
		return err
	}
	r, err := client.Post(context.Background(), "http://operator/erase", "application/json", strings.NewReader(string(body)))
	var failed *wire.ClientError
	if errors.As(err, &failed) && failed.Stage == wire.StageDial {
		return &ExitError{CodeUnreachable, fmt.Errorf("no application answers in %s; start it first", f.dir)}
	}
	if err != nil {
		return err
	}
	text, err := r.ReadAll(4096)
	switch {
	case err != nil:
		return err
	case r.StatusCode() == 404:
		return &ExitError{CodeNotFound, fmt.Errorf("nothing was ever sealed for subject %q", subject)}
	case r.StatusCode() != 204:
		return fmt.Errorf("the application answers %d: %s", r.StatusCode(), text)
	}
	_, err = fmt.Fprintln(c.Out, "erased; backups made before still hold the key: destroy those")
	return err
}
