// Command catalog imports a file of many records and serves search, facets and pages
// over it.
//
//	go run ./examples/catalog                        # /var/lib/dpkg/status
//	go run ./examples/catalog -file books.csv        # first line: the columns' names
//	go run ./examples/catalog -file books.ndjson     # one JSON object a line
//
// The import runs while the pages are served already, in batches; run it again, or kill
// it half-way, and nothing is there twice. Other flags are those of every application:
// -h lists them.
package main

//go:generate go run ../../cmd/lithair gen

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
)

func main() {
	own := map[string]string{"file": "/var/lib/dpkg/status", "format": ""}
	rest, err := takeFlags(os.Args[1:], own)
	if err != nil {
		fmt.Fprintln(os.Stderr, "catalog:", err)
		os.Exit(2)
	}
	if slices.ContainsFunc(rest, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		fmt.Fprint(os.Stderr, "  -file NAME         file to import (/var/lib/dpkg/status); none: import nothing\n  -format FORMAT     dpkg, ndjson or csv; default: as the name says\n\n")
	}
	os.Args = append(os.Args[:1:1], rest...)
	app := lithair.New(lithair.Config{Name: "catalog"})
	c := newCatalog(app)
	if err := c.addPages(); err != nil {
		fmt.Fprintln(os.Stderr, "catalog:", err)
		os.Exit(1)
	}
	if own["file"] != "none" {
		web.AfterStart(app, func() {
			if err := c.importFile(own["file"], own["format"]); err != nil {
				fmt.Fprintln(os.Stderr, "catalog: import:", err, "(what was imported before is served)")
			}
		})
	}
	app.Run("127.0.0.1:8080")
}

// takeFlags takes the program's own flags, the keys of own, out of args, so that the
// others can be left to Run.
func takeFlags(args []string, own map[string]string) (rest []string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if _, mine := own[name]; !mine || !strings.HasPrefix(args[i], "-") {
			rest = append(rest, args[i])
			continue
		}
		if !given {
			if i++; i == len(args) {
				return nil, fmt.Errorf("flag -%s needs a value", name)
			}
			value = args[i]
		}
		own[name] = value
	}
	return rest, nil
}

// importFile imports one file and shows how it gets on.
func (c *catalog) importFile(name, format string) error {
	src, err := openSource(name, format)
	if err != nil {
		return err
	}
	defer src.Close()
	p := newProgress(os.Stderr)
	done, err := c.load(context.Background(), src, func(t tally) { p.step(src.read.Load(), src.size, t.total()) })
	p.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "imported %s: %s\n", name, done)
	return nil
}
