package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

type transferFlags struct {
	format, token, at, without string
	batch                      int
	force                      bool
}

const (
	maxRecordBytes = 16 << 20 // of one record of a file that is imported
	maxBatchBytes  = 8 << 20  // of several records together: half of what servers take as a rule
	exportTake     = 1000     // records that are asked for at a time
)

func (f *transferFlags) set(fs *flag.FlagSet) {
	fs.StringVar(&f.format, "format", "", "jsonl or csv; default: by the name of FILE, else jsonl")
	fs.StringVar(&f.token, "token-file", "", "file with a bearer token for the application")
}

func setupExport(fs *flag.FlagSet) func(*Console, Input) error {
	var f transferFlags
	f.set(fs)
	fs.StringVar(&f.at, "at", "", "an index or a time (default: now): all records are of that one moment")
	fs.BoolVar(&f.force, "force", false, "replace FILE when it is there")
	return func(c *Console, in Input) error {
		return c.transfer(f, in, func(t *transfer) error { return t.export(in.Args[1]) })
	}
}

func setupImport(fs *flag.FlagSet) func(*Console, Input) error {
	var f transferFlags
	f.set(fs)
	fs.IntVar(&f.batch, "batch", 500, "records of one transaction; keep it when an import is repeated")
	fs.StringVar(&f.without, "without", "", "fields to pass over, with commas between: those that the server sets, say")
	return func(c *Console, in Input) error {
		if f.batch < 1 || f.batch > 10_000 {
			return &ExitError{CodeUsage, errors.New("-batch must be 1 to 10000")}
		}
		return c.transfer(f, in, func(t *transfer) error { return t.load(in.Args[1]) })
	}
}

// transfer is an import or export that runs.
type transfer struct {
	c      *Console
	f      transferFlags
	ctx    context.Context
	client *wire.Client
	url    string
	token  string
	begun  time.Time
	shown  time.Time // when progress was last
	count  uint64
	before uint64 // of count: imported by an earlier run
}

func (c *Console) transfer(f transferFlags, in Input, run func(t *transfer) error) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &transfer{c: c, f: f, ctx: ctx, url: strings.TrimSuffix(in.Args[0], "/"), begun: time.Now()}
	if t.f.format == "" {
		if t.f.format = "jsonl"; strings.EqualFold(filepath.Ext(in.Args[1]), ".csv") {
			t.f.format = "csv"
		}
	}
	if t.f.format != "jsonl" && t.f.format != "csv" {
		return &ExitError{CodeUsage, fmt.Errorf("-format: %q is not jsonl or csv", t.f.format)}
	}
	if err := onlyCollection(t.url); err != nil {
		return err
	}
	if f.token != "" {
		b, err := os.ReadFile(f.token)
		if err != nil {
			return err
		}
		t.token = strings.TrimSpace(string(b))
	}
	if t.client, err = wire.NewClient(wire.ClientConfig{MaxContentBytes: -1}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.client.Close()) }()
	return run(t)
}

// onlyCollection refuses what is no address of a collection alone.
func onlyCollection(url string) error {
	_, rest, ok := strings.Cut(url, "://")
	_, path, found := strings.Cut(rest, "/")
	if !ok || !found || path == "" || strings.ContainsAny(path, "?#") {
		return &ExitError{CodeUsage, fmt.Errorf("%q is no URL of a collection, such as http://127.0.0.1:8080/api/notes", url)}
	}
	return nil
}

// ask sends a request and returns an answer of 2xx; others are errors.
func (t *transfer) ask(method, url string, body []byte, fields ...[2]string) ([]byte, *wire.ClientResponse, error) {
	if t.token != "" {
		fields = append(fields, [2]string{"Authorization", "Bearer " + t.token})
	}
	q := &wire.ClientRequest{Method: method, URL: url, Header: fields}
	if body != nil {
		q.Body, q.NoResend = bytes.NewReader(body), true // what is said of a batch holds for its only sending
	}
	r, err := t.client.Do(t.ctx, q)
	var failed *wire.ClientError
	if errors.As(err, &failed) && failed.Stage == wire.StageDial {
		return nil, nil, &ExitError{CodeUnreachable, err}
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := r.ReadAll(1 << 30)
	switch {
	case err != nil:
		return nil, nil, err
	case r.StatusCode() == 404:
		return text, r, &ExitError{CodeNotFound, fmt.Errorf("%s answers 404", url)}
	case r.StatusCode() < 200 || r.StatusCode() > 299:
		return text, r, fmt.Errorf("%s answers %d: %s", url, r.StatusCode(), detail(text))
	}
	return text, r, nil
}

// detail is what a problem says, or the beginning of another text.
func detail(text []byte) string {
	var p struct {
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	if jsonx.Unmarshal(text, &p) == nil && p.Error != "" {
		return p.Error + " [" + p.Code + "]"
	}
	return string(text[:min(len(text), 300)])
}

// export writes all records of one moment.
func (t *transfer) export(file string) error {
	write := func(w io.Writer) error {
		out := bufio.NewWriter(w)
		row, err := t.rows(out)
		if err != nil {
			return err
		}
		if err := t.pages(row); err != nil {
			return err
		}
		return out.Flush()
	}
	if file == "-" {
		if err := write(t.c.Out); err != nil {
			return err
		}
		return t.done("exported")
	}
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file; - writes to standard output", file)
	} else if err == nil && !t.f.force {
		return &ExitError{CodeLocked, fmt.Errorf("%s is there already; -force replaces it", file)}
	}
	if err := writeWhole(file, write); err != nil {
		return err
	}
	return t.done("exported")
}

// pages reads list after list, the later ones as of the first one's index. Skipping costs the
// server nothing where no rule of the application hides records: its trees know their ranks.
func (t *transfer) pages(row func(*jsonx.Value) error) error {
	at := ""
	if t.f.at != "" {
		at = "&at=" + url.QueryEscape(t.f.at)
	}
	for skip := 0; ; {
		text, r, err := t.ask("GET", fmt.Sprintf("%s?take=%d&skip=%d%s", t.url, exportTake, skip, at), nil)
		if err != nil {
			return err
		}
		doc, err := jsonx.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", t.url, err)
		}
		data, ok := doc.Get("data")
		if !ok {
			return fmt.Errorf("%s is no collection: its answer has no data", t.url)
		}
		for i := range data.Len() {
			if err := row(data.At(i)); err != nil {
				return err
			}
			t.count++
		}
		t.progress(0)
		if more, ok := doc.Get("has_more"); !ok || !more.Bool() {
			return nil
		}
		if at == "" {
			if at = "&at=" + r.Header("Lithair-Index"); at == "&at=" {
				return fmt.Errorf("%s does not say its Lithair-Index: the pages may be of different moments", t.url)
			}
		}
		skip += data.Len()
	}
}

// rows writes records in the format.
func (t *transfer) rows(out *bufio.Writer) (func(*jsonx.Value) error, error) {
	if t.f.format == "csv" {
		return t.csvRows(out)
	}
	return func(v *jsonx.Value) error {
		line, err := v.AppendJSON(nil)
		if err != nil {
			return err
		}
		_, err = out.Write(append(line, '\n'))
		return err
	}, nil
}

// load sends what a file holds, a batch a transaction.
func (t *transfer) load(file string) (err error) {
	in, size := io.Reader(t.c.In), int64(0)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	counted := &countReader{r: in}
	next, err := t.records(counted)
	if err != nil {
		return err
	}
	var batch [][]byte
	var lines []int
	length := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := t.send(batch, lines); err != nil {
			return err
		}
		batch, lines, length = batch[:0], lines[:0], 0
		if size > 0 {
			t.progress(float64(counted.n) / float64(size))
		} else {
			t.progress(0)
		}
		return nil
	}
	for {
		rec, line, err := next()
		if err == io.EOF {
			if err := flush(); err != nil {
				return err
			}
			return t.done("imported")
		}
		if err != nil {
			return t.refused(line, err)
		}
		if length+len(rec) > maxBatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, lines, length = append(batch, rec), append(lines, line), length+len(rec)
		if len(batch) == t.f.batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// countReader counts what was read.
type countReader struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// refused says at which line it ended, and how much stays.
func (t *transfer) refused(line int, err error) error {
	return fmt.Errorf("line %d: %w; %d records before it were imported, and its batch was not", line, err, t.count)
}

// send creates the records of a batch, all or none. The same batch sent again, after an
// interruption, does nothing more: its key is made of what is in it.
func (t *transfer) send(batch [][]byte, lines []int) error {
	body := append(append([]byte{'['}, bytes.Join(batch, []byte{','})...), ']')
	sum := sha256.Sum256(append([]byte(strconv.Itoa(lines[0])+" "), body...))
	text, r, err := t.ask("POST", t.url+"/_bulk", body, [2]string{"Content-Type", "application/json"}, [2]string{"Idempotency-Key", "import-" + hex.EncodeToString(sum[:16])})
	if err == nil {
		t.count += uint64(len(batch))
		if r.Header("Idempotency-Replayed") != "" {
			t.before += uint64(len(batch))
		}
		return nil
	}
	var p struct {
		Errors []struct {
			Pointer string `json:"pointer"`
		} `json:"errors"`
	}
	if text != nil && jsonx.Unmarshal(text, &p) == nil && len(p.Errors) > 0 {
		first, _, _ := strings.Cut(strings.TrimPrefix(p.Errors[0].Pointer, "/"), "/")
		if i, e := strconv.Atoi(first); e == nil && i >= 0 && i < len(lines) {
			return t.refused(lines[i], err)
		}
	}
	these := "these were not"
	if !surely(r, err) {
		these = "whether these were is not known; the same command again imports them once"
	}
	return fmt.Errorf("lines %d to %d: %w; %d records before them were imported, and %s", lines[0], lines[len(lines)-1], err, t.count, these)
}

// surely says that a request that failed changed nothing.
func surely(r *wire.ClientResponse, err error) bool {
	if r != nil {
		return r.StatusCode() < 500 || r.Header("Lithair-Outcome") == "none"
	}
	var exit *ExitError
	return errors.As(err, &exit) && exit.Code == CodeUnreachable
}

// records returns what reads the next record of a file, as JSON, with its line.
func (t *transfer) records(in io.Reader) (func() ([]byte, int, error), error) {
	var without []string
	if t.f.without != "" {
		without = strings.Split(t.f.without, ",")
	}
	if t.f.format == "csv" {
		return t.csvRecords(in, without)
	}
	lines, line := bufio.NewScanner(in), 0
	lines.Buffer(make([]byte, 64<<10), maxRecordBytes)
	return func() ([]byte, int, error) {
		for lines.Scan() {
			text := bytes.TrimSpace(lines.Bytes())
			if line++; line == 1 {
				text = bytes.TrimPrefix(text, []byte("\ufeff"))
			}
			if len(text) == 0 {
				continue
			}
			v, err := jsonx.Parse(text)
			if err == nil && v.Kind() != jsonx.Object {
				err = errors.New("want an object")
			}
			if err != nil || len(without) == 0 {
				return bytes.Clone(text), line, err
			}
			for _, name := range without {
				v.Delete(name)
			}
			rec, err := v.AppendJSON(nil)
			return rec, line, err
		}
		if err := lines.Err(); err != nil {
			if errors.Is(err, bufio.ErrTooLong) {
				err = errTooLong
			}
			return nil, line + 1, err
		}
		return nil, line, io.EOF
	}, nil
}

var errTooLong = fmt.Errorf("it has more than %d bytes", maxRecordBytes)

// progress tells a terminal now and then how far it has come; part is that of the whole, 0 when
// it is not known.
func (t *transfer) progress(part float64) {
	f, ok := t.c.Err.(*os.File)
	if !ok || time.Since(t.shown) < 500*time.Millisecond {
		return
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	t.shown = time.Now()
	took := time.Since(t.begun)
	fmt.Fprintf(f, "\r%d records, %.0f/s", t.count, float64(t.count)/took.Seconds())
	if part > 0 {
		fmt.Fprintf(f, ", %v left   ", time.Duration(float64(took)*(1-part)/part).Round(time.Second))
	}
}

// done tells how much it was.
func (t *transfer) done(word string) error {
	again, line := "", ""
	if t.before > 0 {
		again = fmt.Sprintf("; %d of them by an earlier run", t.before)
	}
	if !t.shown.IsZero() {
		line = "\n"
	}
	_, err := fmt.Fprintf(t.c.Err, "%s%d records %s in %v%s\n", line, t.count, word, time.Since(t.begun).Round(time.Millisecond), again)
	return err
}
