package cli

import (
	"errors"
	"flag"
	"fmt"
	"go/version"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/internal/disk"
)

// Finding is what doctor says about one thing.
type Finding struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warning, failed
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

const (
	findingOK      = "ok"
	findingWarning = "warning"
	findingFailed  = "failed"
)

// What doctor warns below, or above.
const (
	leastGo    = "go1.26"
	leastFree  = 1 << 30               // bytes
	leastFiles = 4096                  // open files
	slowSync   = 20 * time.Millisecond // median
	syncs      = 32                    // that are timed
	syncBytes  = 4096                  // of each
)

func setupDoctor(fs *flag.FlagSet) func(*Console, Input) error {
	dir := fs.String("dir", "", "data directory (required)")
	addr := fs.String("addr", "127.0.0.1:8080", "address that the application is to listen on")
	asJSON := fs.Bool("json", false, "print a JSON document for each finding, one a line")
	return func(c *Console, in Input) error {
		if *dir == "" {
			return &ExitError{CodeUsage, errors.New("-dir is required")}
		}
		failed := 0
		for _, f := range examine(*dir, *addr, in) {
			if f.Status == findingFailed {
				failed++
			}
			if err := c.printFinding(&f, *asJSON); err != nil {
				return err
			}
		}
		if failed > 0 {
			return &ExitError{Code: CodeFailed}
		}
		return nil
	}
}

func (c *Console) printFinding(f *Finding, asJSON bool) error {
	if asJSON {
		return c.PrintJSON(f)
	}
	mark := map[string]string{
		findingOK:      paint(c.colorOut, good, "ok") + "  ",
		findingWarning: paint(c.colorOut, odd, "WARN"),
		findingFailed:  paint(c.colorOut, bad, "FAIL"),
	}[f.Status]
	_, err := fmt.Fprintf(c.Out, "%s %-10s %s\n", mark, f.Name, f.Detail)
	if f.Hint != "" {
		_, err = fmt.Fprintf(c.Out, "     %-10s %s\n", "", f.Hint)
	}
	return err
}

// examine looks at everything. It writes nothing but a file of its own, which it removes.
func examine(dir, addr string, in Input) []Finding {
	list := []Finding{goFinding(runtime.Version()), filesFinding()}
	running := appRuns(dir)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		list = append(list, Finding{"data", findingOK, dir + " is not there yet", "the application makes it"})
		dir = nearest(dir)
	case err != nil:
		return append(list, Finding{"data", findingFailed, err.Error(), "change its owner or its mode"})
	case !info.IsDir():
		return append(list, Finding{"data", findingFailed, dir + " is no directory", "choose another"})
	default:
		list = append(list, dataFinding(dir, running, in))
	}
	return append(list, syncFinding(dir), freeFinding(dir), portFinding(addr, running), clockFinding(dir, time.Now()))
}

// nearest is the folder that a directory would be made in.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func goFinding(have string) Finding {
	f := Finding{"go", findingOK, have + " " + runtime.GOOS + "/" + runtime.GOARCH, ""}
	if version.IsValid(have) && version.Compare(have, leastGo) < 0 {
		f.Status, f.Hint = findingFailed, "build with "+leastGo+" or newer"
	}
	return f
}

func filesFinding() Finding {
	n, known := maxFiles()
	switch {
	case !known:
		return Finding{"files", findingOK, "this system does not tell its limit of open files", ""}
	case n < leastFiles:
		return Finding{"files", findingWarning, fmt.Sprintf("%d open files are allowed", n), fmt.Sprintf("a connection takes one: raise the limit to %d or more (LimitNOFILE, ulimit -n)", leastFiles)}
	}
	return Finding{"files", findingOK, fmt.Sprintf("%d open files are allowed", n), ""}
}

// appRuns says whether an application answers in a directory.
func appRuns(dir string) bool {
	c, err := net.DialTimeout("unix", filepath.Join(dir, "operator.sock"), time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// dataFinding opens what is in a data directory, for reading, where no application does.
func dataFinding(dir string, running bool, in Input) Finding {
	if running {
		return Finding{"data", findingOK, "an application runs in " + dir, "check asks it how it is"}
	}
	_, err := logDir(dir)
	var none *ExitError
	switch {
	case errors.Is(err, backup.ErrInterrupted):
		return Finding{"data", findingFailed, err.Error(), "run the restore again, or start the application"}
	case errors.As(err, &none) && none.Code == CodeNotFound:
		return Finding{"data", findingOK, dir + " holds no log yet", ""}
	case err != nil:
		return Finding{"data", findingFailed, err.Error(), "the data directory must be readable"}
	}
	o, err := openStopped(in, dir)
	if err != nil {
		return Finding{"data", findingFailed, Coded(err), "errors lookup says what to do about the code"}
	}
	f := Finding{"data", findingOK, fmt.Sprintf("the log in %s opens; it goes back to log index %d", dir, o.First()), "log verify reads all of it"}
	if err := o.Close(); err != nil {
		f.Status, f.Detail = findingFailed, err.Error()
	}
	return f
}

// syncFinding times small writes that are made durable.
func syncFinding(dir string) Finding {
	median, worst, err := timeSyncs(dir)
	if err != nil {
		return Finding{"disk", findingFailed, err.Error(), "the data directory must be writable"}
	}
	f := Finding{"disk", findingOK, fmt.Sprintf("%d bytes are durable in %v (median of %d; the slowest %v)", syncBytes, median.Round(time.Microsecond), syncs, worst.Round(time.Microsecond)), ""}
	switch {
	case median > slowSync:
		f.Status, f.Hint = findingWarning, "each commit waits for that: a faster disk, or one with a protected cache, makes writes faster"
	case median < 10*time.Microsecond:
		f.Status, f.Hint = findingWarning, "no disk is that fast: what it calls durable may not survive a power failure (memory, or a cache without protection)"
	}
	return f
}

func timeSyncs(dir string) (median, worst time.Duration, err error) {
	file, err := os.CreateTemp(dir, "doctor-*.tmp")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	block := make([]byte, syncBytes)
	var took []time.Duration
	for range syncs {
		begun := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)-1], nil
}

func freeFinding(dir string) Finding {
	free, err := disk.Real().Free(dir)
	switch {
	case err != nil:
		return Finding{"space", findingFailed, err.Error(), ""}
	case free < 0:
		return Finding{"space", findingOK, "this system does not tell what is free", ""}
	case free < leastFree:
		return Finding{"space", findingWarning, fmt.Sprintf("%d MiB are free", free>>20), "writes are refused when the disk is full; retention bounds the log"}
	}
	return Finding{"space", findingOK, fmt.Sprintf("%d MiB are free", free>>20), ""}
}

func portFinding(addr string, running bool) Finding {
	l, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		err = l.Close()
		if err != nil {
			return Finding{"address", findingFailed, err.Error(), ""}
		}
		return Finding{"address", findingOK, addr + " is free", ""}
	case running:
		return Finding{"address", findingOK, addr + " is taken, and the application runs", ""}
	}
	return Finding{"address", findingFailed, err.Error(), "stop who holds it, or choose another with -addr"}
}

// clockFinding holds the clock against the newest file of the log, which cannot be of the future.
func clockFinding(dir string, now time.Time) Finding {
	if now.Year() < 2025 {
		return Finding{"clock", findingFailed, "it is " + now.UTC().Format(time.RFC3339) + " here", "set the clock, and have it kept (NTP)"}
	}
	files := os.DirFS(dir) // dir may have brackets in it
	names, err := fs.Glob(files, "log/*.seg")
	if err != nil {
		return Finding{"clock", findingFailed, err.Error(), ""}
	}
	for _, name := range names {
		if info, err := fs.Stat(files, name); err == nil && info.ModTime().After(now.Add(time.Minute)) {
			return Finding{"clock", findingFailed, fmt.Sprintf("%s was written at %s, and it is %s here", name, info.ModTime().UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)), "set the clock, and have it kept (NTP); times of transactions go on from the newest one"}
		}
	}
	return Finding{"clock", findingOK, now.UTC().Format(time.RFC3339), ""}
}
