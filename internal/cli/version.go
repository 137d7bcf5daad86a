package cli

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/jsonx"
)

// Build is what this program was made of.
type Build struct {
	Version  string `json:"version"` // of the module: v1.2.3, or (devel)
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Records  int    `json:"record_format"`
	Log      int    `json:"log_format"`
	Backups  int    `json:"backup_format"`
}

func readBuild() Build {
	b := Build{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Records: binenc.Version, Log: eventlog.FormatVersion, Backups: backup.FormatVersion}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version = info.Main.Version; b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func setupVersion(fs *flag.FlagSet) func(*Console, Input) error {
	asJSON := fs.Bool("json", false, "print one JSON document")
	return func(c *Console, in Input) error {
		b := readBuild()
		if *asJSON {
			text, err := jsonx.Marshal(b)
			fmt.Fprintf(c.Out, "%s\n", text)
			return err
		}
		fmt.Fprintf(c.Out, "lithair %s\n", b.Version)
		if b.Revision != "" {
			state := ""
			if b.Modified {
				state = ", and changes"
			}
			fmt.Fprintf(c.Out, "revision %s of %s%s\n", b.Revision, b.Time, state)
		}
		fmt.Fprintf(c.Out, "%s %s\nformats: records %d, log %d, backups %d\n", b.Go, b.Platform, b.Records, b.Log, b.Backups)
		return nil
	}
}
