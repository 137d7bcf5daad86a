package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

type tailFlags struct {
	json  bool
	dir   string
	from  uint64
	model string
	count uint64
}

func setupTail(fs *flag.FlagSet) func(*Console, Input) error {
	var f tailFlags
	fs.BoolVar(&f.json, "json", false, "print one JSON document a record")
	fs.StringVar(&f.dir, "dir", "", "data directory of the running application (required)")
	fs.Uint64Var(&f.from, "from", 0, "log index to begin with, which must be there or be the next; 0: only what comes")
	fs.StringVar(&f.model, "model", "", "only records with events of this model")
	fs.Uint64Var(&f.count, "n", 0, "end after so many records; 0: when interrupted")
	return func(c *Console, _ Input) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err := c.tail(ctx, f)
		if ctx.Err() != nil {
			return nil // that is how it ends
		}
		return err
	}
}

// operatorGet asks the application that runs in a directory.
func operatorGet(ctx context.Context, dir, path string) (*wire.ClientResponse, *wire.Client, error) {
	if dir == "" {
		return nil, nil, &ExitError{CodeUsage, errors.New("-dir is required")}
	}
	nobody := &ExitError{CodeUnreachable, fmt.Errorf("no application answers in %s; start it first", dir)}
	client, err := operatorClient(dir)
	if err != nil {
		return nil, nil, err
	}
	if client == nil {
		return nil, nil, nobody
	}
	r, err := client.Get(ctx, "http://operator"+path)
	var failed *wire.ClientError
	if errors.As(err, &failed) && failed.Stage == wire.StageDial {
		err = nobody
	}
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return r, client, nil
}

// maxTailLine bounds one record, in bytes.
const maxTailLine = 256 << 20

// tail prints what is committed as it comes.
func (c *Console) tail(ctx context.Context, f tailFlags) (err error) {
	r, client, err := operatorGet(ctx, f.dir, fmt.Sprintf("/log?from=%d", f.from))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if r.StatusCode() != 200 {
		return refusal(r)
	}
	lines := bufio.NewScanner(r.Body())
	lines.Buffer(make([]byte, 64<<10), maxTailLine)
	for n := uint64(0); f.count == 0 || n < f.count; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			return &ExitError{CodeUnreachable, errors.New("the application has stopped")}
		}
		var rec Record
		if err := jsonx.Unmarshal(lines.Bytes(), &rec); err != nil {
			return fmt.Errorf("the application answers what is no record: %w", err)
		}
		if f.model != "" && !rec.names(f.model) {
			continue
		}
		n++
		if f.json {
			_, err = fmt.Fprintf(c.Out, "%s\n", lines.Bytes())
		} else {
			err = c.printRecord(&rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refusal is what the application answered in place of records.
func refusal(r *wire.ClientResponse) error {
	text, err := r.ReadAll(4096)
	var problem struct{ Detail string }
	if e := jsonx.Unmarshal(text, &problem); e != nil || problem.Detail == "" {
		problem.Detail = fmt.Sprintf("the application answers %d: %s", r.StatusCode(), text)
	}
	code := CodeFailed
	if r.StatusCode() == 404 {
		code = CodeNotFound
	}
	return errors.Join(&ExitError{code, errors.New(problem.Detail)}, err)
}

// names says whether an event of a record is of a model.
func (r *Record) names(model string) bool {
	for _, t := range r.Transactions {
		for _, e := range t.Events {
			if e.Model == model {
				return true
			}
		}
	}
	return false
}

// The exit codes of check, as monitoring plugins have them.
const (
	checkOK       = 0
	checkWarning  = 1
	checkCritical = 2
	checkUnknown  = 3
)

// ShownCheck is what check prints with -format json.
type ShownCheck struct {
	Status string       `json:"status"` // ok, critical, unknown
	Ms     float64      `json:"ms"`     // until the answer
	Checks []ShownProbe `json:"checks"`
}

// ShownProbe is one of the application's checks.
type ShownProbe struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

func setupCheck(fs *flag.FlagSet) func(*Console, Input) error {
	dir := fs.String("dir", "", "data directory of the application (required, or -url)")
	url := fs.String("url", "", "where the application answers, in place of its directory")
	format := fs.String("format", "text", "text, nagios, json or prometheus")
	timeout := fs.Duration("timeout", 10*time.Second, "how long to wait for an answer")
	slow := fs.Duration("slow", time.Second, "an answer that takes longer is a warning")
	return func(c *Console, _ Input) error {
		switch *format {
		case "text", "nagios", "json", "prometheus":
		default:
			return &ExitError{CodeUsage, fmt.Errorf("-format: %q is not text, nagios, json or prometheus", *format)}
		}
		ctx, cancel := context.WithTimeout(context.Background(), *timeout)
		defer cancel()
		begun := time.Now()
		s, code := askReady(ctx, *dir, *url)
		took := time.Since(begun)
		s.Ms = float64(took.Microseconds()) / 1000
		if code == checkOK && took > *slow {
			code, s.Status = checkWarning, "warning"
		}
		if err := c.printCheck(*format, s); err != nil {
			return err
		}
		if code == checkOK {
			return nil
		}
		return &ExitError{Code: code}
	}
}

// askReady asks an application whether it is ready.
func askReady(ctx context.Context, dir, url string) (*ShownCheck, int) {
	unknown := func(err error, code int, word string) (*ShownCheck, int) {
		return &ShownCheck{Status: word, Checks: []ShownProbe{{Name: "answer", Problem: err.Error()}}}, code
	}
	var r *wire.ClientResponse
	var client *wire.Client
	var err error
	if url != "" {
		if client, err = wire.NewClient(wire.ClientConfig{}); err == nil {
			r, err = client.Get(ctx, strings.TrimSuffix(url, "/")+"/ready?verbose")
		}
	} else {
		r, client, err = operatorGet(ctx, dir, "/ready?verbose")
	}
	if client != nil {
		defer client.Close()
	}
	var exit *ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == CodeUsage:
		return unknown(err, checkUnknown, "unknown")
	case err != nil:
		return unknown(err, checkCritical, "critical")
	}
	text, err := r.ReadAll(64 << 10)
	if err != nil {
		return unknown(err, checkUnknown, "unknown")
	}
	s, code := &ShownCheck{Status: "ok", Checks: []ShownProbe{}}, checkOK
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "[+]"); ok {
			s.Checks = append(s.Checks, ShownProbe{Name: strings.TrimSuffix(name, " ok"), OK: true})
		} else if rest, ok := strings.CutPrefix(line, "[-]"); ok {
			name, problem, _ := strings.Cut(rest, " failed: ")
			s.Checks = append(s.Checks, ShownProbe{Name: name, Problem: problem})
		}
	}
	if r.StatusCode() != 200 {
		s.Status, code = "critical", checkCritical
		if len(s.Checks) == 0 {
			s.Checks = []ShownProbe{{Name: "answer", Problem: fmt.Sprintf("status %d", r.StatusCode())}}
		}
	}
	return s, code
}

func (c *Console) printCheck(format string, s *ShownCheck) error {
	var problems []string
	for _, p := range s.Checks {
		if !p.OK {
			problems = append(problems, p.Name+": "+p.Problem)
		}
	}
	switch format {
	case "json":
		return c.PrintJSON(s)
	case "nagios":
		text := "all checks pass"
		if len(problems) > 0 {
			text = strings.ReplaceAll(strings.Join(problems, "; "), "|", "/")
		}
		_, err := fmt.Fprintf(c.Out, "LITHAIR %s - %s | time=%.3fs\n", strings.ToUpper(s.Status), text, s.Ms/1000)
		return err
	case "prometheus":
		up := 0
		if s.Status == "ok" || s.Status == "warning" {
			up = 1
		}
		fmt.Fprintf(c.Out, "# HELP lithair_check_up Whether the application is ready.\n# TYPE lithair_check_up gauge\nlithair_check_up %d\n# HELP lithair_check_duration_seconds How long its answer took.\n# TYPE lithair_check_duration_seconds gauge\nlithair_check_duration_seconds %g\n# HELP lithair_check_ok Whether a check of its own passes.\n# TYPE lithair_check_ok gauge\n", up, s.Ms/1000)
		for _, p := range s.Checks {
			ok := 0
			if p.OK {
				ok = 1
			}
			fmt.Fprintf(c.Out, "lithair_check_ok{check=%q} %d\n", p.Name, ok)
		}
		return nil
	}
	for _, p := range s.Checks {
		mark := paint(c.colorOut, good, "ok") + "  "
		if !p.OK {
			mark = paint(c.colorOut, bad, "FAIL")
		}
		fmt.Fprintln(c.Out, strings.TrimSpace(mark+" "+p.Name+" "+p.Problem))
	}
	_, err := fmt.Fprintf(c.Out, "%s in %.1f ms\n", s.Status, s.Ms)
	return err
}
