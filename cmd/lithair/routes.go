package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// listed is one route of an application.
type listed struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Tag     string `json:"tag"`
	Summary string `json:"summary"`
	Guarded bool   `json:"guarded"`
}

// maxDocument bounds what is read of an application, in bytes.
const maxDocument = 64 << 20

func setupRoutes(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	url := fs.String("url", "http://127.0.0.1:8080", "where the application answers")
	match := fs.String("match", "", "only those with this text in method, path or summary")
	asJSON := fs.Bool("json", false, "print a JSON document for each, one a line")
	timeout := fs.Duration("timeout", 10*time.Second, "how long to wait for an answer")
	return func(c *cli.Console, in cli.Input) error {
		ctx, cancel := context.WithTimeout(context.Background(), *timeout)
		defer cancel()
		at := strings.TrimSuffix(*url, "/") + "/openapi.json"
		text, err := documentAt(ctx, at)
		if err != nil {
			return err
		}
		doc, err := jsonx.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		list, err := readRoutes(doc)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
		for _, r := range list {
			if *match != "" && !strings.Contains(strings.ToLower(r.Method+" "+r.Path+" "+r.Summary), strings.ToLower(*match)) {
				continue
			}
			if *asJSON {
				b, err := jsonx.Marshal(r)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.Out, "%s\n", b)
				continue
			}
			guarded := ""
			if r.Guarded {
				guarded = "guarded"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Method, r.Path, guarded, r.Summary)
		}
		return table.Flush()
	}
}

// documentAt reads what a running application says of itself.
func documentAt(ctx context.Context, url string) ([]byte, error) {
	client, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	res, err := client.Get(ctx, url)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.CodeUnreachable, Err: err}
	}
	defer res.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body(), maxDocument+1))
	switch {
	case err != nil:
		return nil, &cli.ExitError{Code: cli.CodeUnreachable, Err: err}
	case res.StatusCode() != 200:
		return nil, &cli.ExitError{Code: cli.CodeNotFound, Err: fmt.Errorf("%s answers with %d: the application does not describe itself there", url, res.StatusCode())}
	case len(body) > maxDocument:
		return nil, fmt.Errorf("%s has more than %d bytes", url, maxDocument)
	}
	return body, nil
}

// readRoutes lists the operations of a document, in its order.
func readRoutes(doc jsonx.Value) (list []listed, err error) {
	paths, ok := doc.Get("paths")
	if !ok {
		return nil, fmt.Errorf("that is no OpenAPI document: it has no paths")
	}
	_, guarded := doc.Get("security")
	for path, item := range paths.Members() {
		for method, op := range item.Members() {
			r := listed{Method: strings.ToUpper(method), Path: path, Guarded: guarded}
			if v, ok := op.Get("summary"); ok {
				r.Summary = v.Text()
			}
			if v, ok := op.Get("tags"); ok && v.Len() > 0 {
				r.Tag = v.At(0).Text()
			}
			if v, ok := op.Get("security"); ok {
				r.Guarded = v.Len() > 0
			}
			list = append(list, r)
		}
	}
	return list, nil
}
