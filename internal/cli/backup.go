package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/wire"
)

type backupFlags struct {
	json, force bool
	dir         string
}

func setupBackup(fs *flag.FlagSet) func(*Console, Input) error {
	var f backupFlags
	fs.BoolVar(&f.json, "json", false, "print one JSON document")
	fs.BoolVar(&f.force, "force", false, "replace FILE when it is there")
	fs.StringVar(&f.dir, "dir", "", "data directory (required)")
	return func(c *Console, in Input) error { return c.backup(in, f) }
}

// shownBackup is what backup prints with -json, and restore with more.
type shownBackup struct {
	File    string `json:"file"`
	Name    string `json:"name,omitempty"`
	Made    string `json:"made"`
	Seq     uint64 `json:"seq"`
	Hash    string `json:"state_hash"`
	Records uint64 `json:"log_records"`
	Files   uint64 `json:"files"`
	Bytes   int64  `json:"bytes"`
	Live    bool   `json:"live"` // the application was running
}

func showBackup(file string, s *backup.Summary) shownBackup {
	return shownBackup{File: file, Name: s.Info.Name, Made: s.Made.UTC().Format(time.RFC3339Nano), Seq: s.Seq, Hash: hex.EncodeToString(s.Hash[:]), Records: s.Records, Files: s.Files, Bytes: s.Bytes}
}

// backup writes FILE from the running application where one answers, or else from the
// directory itself, and checks what it wrote.
func (c *Console) backup(in Input, f backupFlags) error {
	if f.dir == "" {
		return &ExitError{CodeUsage, errors.New("-dir is required")}
	}
	if _, err := os.Stat(f.dir); err != nil {
		return err
	}
	file := in.Args[0]
	if _, err := os.Lstat(file); file != "-" && err == nil && !f.force {
		return fmt.Errorf("%s: %w; -force replaces it", file, fs.ErrExist)
	}
	var live bool
	var sum backup.Summary
	write := func(w io.Writer) (err error) {
		sum, live, err = c.copyTo(w, f.dir, in.Keys)
		return err
	}
	var err error
	if file == "-" {
		err = write(c.Out)
	} else {
		err = writeWhole(file, write)
	}
	if err != nil {
		return err
	}
	shown := showBackup(file, &sum)
	shown.Live = live
	if f.json && file != "-" {
		return c.PrintJSON(shown)
	}
	from := "the stopped directory " + f.dir
	if live {
		from = "the running application in " + f.dir
	}
	replaced, err := backup.Replaced(disk.Real(), f.dir)
	if err != nil {
		return err
	}
	for _, folder := range replaced {
		fmt.Fprintf(c.Err, "%s holds what a restore replaced, and is no part of the backup: nothing is erased in it; remove it when it is not needed\n", folder)
	}
	_, err = fmt.Fprintf(c.Err, "%s: %d bytes from %s: sequence %d, state hash %s, %d log records, %d files\n", file, shown.Bytes, from, shown.Seq, shown.Hash, shown.Records, shown.Files)
	return err
}

// copyTo writes a backup of a directory.
func (c *Console) copyTo(w io.Writer, dir string, keys eventlog.KeyProvider) (sum backup.Summary, live bool, err error) {
	body, err := dialBackup(dir)
	if err != nil {
		return sum, false, err
	}
	if body == nil {
		sum, err = backup.WriteDir(context.Background(), w, disk.Real(), dir, keys)
		return sum, false, err
	}
	sum, err = backup.Check(io.TeeReader(body, w), keys)
	return sum, true, errors.Join(err, body.Close())
}

// operatorClient reaches the application that runs in a directory; nil when there is no
// socket of one.
func operatorClient(dir string) (*wire.Client, error) {
	socket, err := filepath.Abs(filepath.Join(dir, "operator.sock"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(socket); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return wire.NewClient(operatorConfig(socket))
}

// operatorConfig is that of a client on an operator's socket. An application may have nothing to say for as long as it likes, as
// to log tail, and one that has ended is seen without a time limit: the socket is of this machine.
func operatorConfig(socket string) wire.ClientConfig {
	return wire.ClientConfig{Socket: socket, MaxContentBytes: -1, BodyTimeout: 365 * 24 * time.Hour}
}

// dialBackup asks the application that runs in a directory for a backup; nil when none
// answers.
func dialBackup(dir string) (io.ReadCloser, error) {
	client, err := operatorClient(dir)
	if client == nil {
		return nil, err
	}
	r, err := client.Get(context.Background(), "http://operator/backup")
	var failed *wire.ClientError
	if errors.As(err, &failed) && failed.Stage == wire.StageDial {
		return nil, client.Close() // left behind by an application that was killed
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	if r.StatusCode() != 200 {
		text, e := r.ReadAll(4096)
		return nil, errors.Join(fmt.Errorf("the application answers %d: %s", r.StatusCode(), text), e, client.Close())
	}
	return &clientBody{r.Body(), r, client}, nil
}

// clientBody closes the client with the content.
type clientBody struct {
	io.Reader
	response *wire.ClientResponse
	client   *wire.Client
}

func (b *clientBody) Close() error { return errors.Join(b.response.Close(), b.client.Close()) }

// writeWhole writes a file so that it is there whole and durable, or not at all.
func writeWhole(name string, write func(w io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp") // no file of somebody else's
	if err != nil {
		return err
	}
	temp := f.Name()
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return disk.Real().SyncDir(filepath.Dir(name))
}

type restoreFlags struct {
	json, replace, dryRun bool
	dir, at               string
}

func setupRestore(fs *flag.FlagSet) func(*Console, Input) error {
	var f restoreFlags
	fs.BoolVar(&f.json, "json", false, "print one JSON document")
	fs.BoolVar(&f.replace, "replace", false, "move aside what stands in the directory")
	fs.BoolVar(&f.dryRun, "dry-run", false, "build the state and check everything, and write nothing")
	fs.StringVar(&f.dir, "dir", "", "data directory to make (required but for -dry-run)")
	fs.StringVar(&f.at, "at", "now", "index or time to go back to")
	return func(c *Console, in Input) error { return c.restore(in, f) }
}

// Restored is what restore prints with -json.
type Restored struct {
	shownBackup
	Oldest uint64         `json:"oldest_seq"`
	At     uint64         `json:"restored_seq"`
	Time   string         `json:"restored_time"`
	AtHash string         `json:"restored_hash"`
	Models map[string]int `json:"records"`
	Aside  string         `json:"aside,omitempty"` // folder with what was there before
	DryRun bool           `json:"dry_run,omitempty"`
}

func (c *Console) restore(in Input, f restoreFlags) (err error) {
	opt := backup.Options{Dir: f.dir, Replace: f.replace, DryRun: f.dryRun, Keys: in.Keys}
	if f.dir == "" && !f.dryRun {
		return &ExitError{CodeUsage, errors.New("-dir is required")}
	}
	when, err := parseWhen(f.at)
	if err != nil {
		return err
	}
	if when.kind == whenSeq {
		opt.At = &when.seq
	}
	opt.Time = when.time
	var src io.Reader = c.In
	file := in.Args[0]
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		src = f
	}
	done, err := backup.Restore(src, opt)
	if err != nil {
		return err
	}
	shown := Restored{shownBackup: showBackup(file, &done.Summary), Oldest: done.Oldest, At: done.At, Time: done.Time.UTC().Format(time.RFC3339Nano),
		AtHash: hex.EncodeToString(done.AtHash[:]), Models: done.Records, DryRun: f.dryRun}
	if done.Aside != "" {
		shown.Aside = filepath.Join(f.dir, done.Aside)
	}
	if f.json {
		return c.PrintJSON(shown)
	}
	return c.printRestore(f.dir, &shown)
}

func (c *Console) printRestore(dir string, s *Restored) error {
	fmt.Fprintf(c.Out, "sound: %s of %s goes from sequence %d to %d\n", s.File, s.Made, s.Oldest, s.Seq)
	if s.DryRun {
		_, err := fmt.Fprintf(c.Out, "would restore: sequence %d (%s), state hash %s, records %v\n", s.At, s.Time, s.AtHash, s.Models)
		return err
	}
	fmt.Fprintf(c.Out, "restored: %s, sequence %d (%s), state hash %s, records %v\n", dir, s.At, s.Time, s.AtHash, s.Models)
	if s.Aside != "" {
		fmt.Fprintf(c.Out, "aside: what was there before is in %s; remove it when it is not needed any more\n", s.Aside)
	}
	return nil
}

// The kinds of a when.
const (
	whenNow = iota
	whenSeq
	whenTime
)

// when is a moment as it stands on a command line.
type when struct {
	kind int
	seq  uint64
	time time.Time
}

func parseWhen(text string) (w when, err error) {
	if text == "now" {
		return when{kind: whenNow}, nil
	}
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil {
		return when{kind: whenSeq, seq: seq}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return when{kind: whenTime, time: t}, nil
	}
	return w, &ExitError{CodeUsage, fmt.Errorf("%q is no index, no time such as 2026-03-01T12:00:00Z, and not now", text)}
}
