package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lithair/lithair-go/jsonx"
)

// samples holds the named figures of one contestant in one case, over rounds.
type samples map[string][]float64

func (s samples) add(m map[string]float64) {
	for k, v := range m {
		s[k] = append(s[k], v)
	}
}

// figure is what is reported of one name: the median over rounds, the best round and
// (max-min)/median.
type figure struct {
	Median float64 `json:"median"`
	Best   float64 `json:"best"`
	Spread float64 `json:"spread"` // a share, not percent
	Rounds int     `json:"rounds"`
}

func (s samples) figure(name string, lowIsBetter bool) figure {
	v := slices.Sorted(slices.Values(s[name]))
	if len(v) == 0 {
		return figure{}
	}
	f := figure{Median: v[len(v)/2], Best: v[len(v)-1], Rounds: len(v)}
	if len(v)%2 == 0 {
		f.Median = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	if lowIsBetter {
		f.Best = v[0]
	}
	if f.Median != 0 {
		f.Spread = (v[len(v)-1] - v[0]) / f.Median
	}
	return f
}

// column is one figure of a table.
type column struct {
	Name  string `json:"name"`
	Unit  string `json:"unit"`            // what it counts, and in what
	Low   bool   `json:"lower_is_better"` // else higher is, or neither
	Ratio bool   `json:"ratio"`           // how many times better than the first row is told, too
}

// better is how many times better v is than base.
func (c column) better(v, base float64) float64 {
	if c.Low {
		v, base = base, v
	}
	if base == 0 {
		return 0
	}
	return v / base
}

// row is one contestant's line of a table.
type row struct {
	Contestant string             `json:"contestant"`
	Figures    map[string]figure  `json:"figures"`
	Ratio      map[string]float64 `json:"ratio"` // how many times better than the first row
}

// table is one case: the same work for every contestant.
type table struct {
	Case    string   `json:"case"`
	Note    string   `json:"note"`
	Columns []column `json:"columns"`
	Rows    []row    `json:"rows"`
}

// report is everything one run measured.
type report struct {
	Machine string  `json:"machine"`
	Go      string  `json:"go"`
	Commit  string  `json:"commit"`
	Command string  `json:"command"`
	Tables  []table `json:"tables"`

	brief bool // people get a line for each table
}

func newReport() *report {
	return &report{
		Machine: fmt.Sprintf("%s, %d CPUs, %s/%s", cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
		Go:      runtime.Version(), Commit: commit(), Command: "bench " + strings.Join(os.Args[1:], " "),
	}
}

func (r *report) add(title, note string, names []string, all map[string]samples, cols []column) {
	t := table{Case: title, Note: note, Columns: cols}
	for _, n := range names {
		w := row{Contestant: n, Figures: map[string]figure{}, Ratio: map[string]float64{}}
		for _, c := range cols {
			w.Figures[c.Name] = all[n].figure(c.Name, c.Low)
			if c.Ratio {
				w.Ratio[c.Name] = c.better(w.Figures[c.Name].Median, all[names[0]].figure(c.Name, c.Low).Median)
			}
		}
		t.Rows = append(t.Rows, w)
	}
	r.Tables = append(r.Tables, t)
}

// print writes a report for people, or as one JSON document.
func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		b, err := jsonx.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", b)
		return err
	}
	if r.brief {
		return r.printBrief(w)
	}
	fmt.Fprintf(w, "%s, %s, commit %s\n", r.Machine, r.Go, r.Commit)
	for _, t := range r.Tables {
		fmt.Fprintf(w, "\n## %s\n%s\n", t.Case, t.Note)
		tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(tw, "contestant\t")
		for _, c := range t.Columns {
			fmt.Fprintf(tw, "%s\t", c.Unit)
			if c.Ratio {
				fmt.Fprint(tw, "±%\tratio\t")
			}
		}
		fmt.Fprintln(tw)
		for _, row := range t.Rows {
			fmt.Fprintf(tw, "%s\t", row.Contestant)
			for _, c := range t.Columns {
				f := row.Figures[c.Name]
				fmt.Fprintf(tw, "%s\t", number(f.Median))
				if c.Ratio {
					fmt.Fprintf(tw, "%.0f\t%.2f\t", 100*f.Spread, row.Ratio[c.Name])
				}
			}
			fmt.Fprintln(tw)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// number prints three or four significant digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return fmt.Sprintf("%.0f", v)
	case a >= 100:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// commit is the revision the binary was built from, where the build knows it; go run does not, and asks git.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if rev == "" {
		return checkedOut(info.Main.Path)
	}
	return rev + dirty
}

// checkedOut is the revision of the folder that go run has just built this program from.
func checkedOut(module string) string {
	self, err := os.Executable()
	if err != nil || !strings.Contains(self, "go-build") { // as go run calls its folders; any other program may be older than what is checked out
		return "unknown"
	}
	if out, err := exec.Command("go", "list", "-m").Output(); err != nil || strings.TrimSpace(string(out)) != module {
		return "unknown"
	}
	rev, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	changes, e := exec.Command("git", "status", "--porcelain").Output()
	if err != nil || e != nil {
		return "unknown"
	}
	if len(changes) > 0 {
		return strings.TrimSpace(string(rev)) + "+changes"
	}
	return strings.TrimSpace(string(rev))
}

// cpuModel names the processor where the system says it.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown CPU"
}
