package lithairtest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/jsonx"
)

// Update has golden files written; go test -update sets it.
var Update bool

// ownFlag stands for -update on the command line: a name that no other package has.
const ownFlag = "lithairtest.update"

// init has -update set Update, and a flag of that name that another package defines as well:
// which may be later than this, so that it cannot be defined here.
func init() {
	flag.BoolFunc(ownFlag, "write golden files anew; -update is the same", func(s string) error {
		on, err := strconv.ParseBool(s)
		if Update = on; flag.Lookup("update") != nil {
			return flag.Set("update", s)
		}
		return err
	})
	for i, arg := range os.Args {
		name, value, has := strings.Cut(arg, "=")
		switch {
		case name == "-args" || name == "--":
			return
		case (name == "-update" || name == "--update") && has:
			os.Args[i] = "-" + ownFlag + "=" + value
		case name == "-update" || name == "--update":
			os.Args[i] = "-" + ownFlag
		}
	}
}

// Golden holds a text against testdata/NAME.golden.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name)+".golden")
	if Update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is not there: go test -update writes it", file)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := string(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))); got != want {
		t.Errorf("%s: got\n%s\nwant\n%s\ngo test -update writes it anew", file, got, want)
	}
}

// Golden holds the answer, its status, type and body, against testdata/NAME.golden.
func (r *Answer) Golden(name string) {
	r.t.Helper()
	Golden(r.t, name, r.String())
}

// String is the answer as golden files have it.
func (r *Answer) String() string {
	body := r.Body
	kind := r.Header("Content-Type")
	if strings.Contains(kind, "json") {
		if b, err := jsonx.Indent(nil, []byte(body), "", "  "); err == nil {
			body = strings.TrimSpace(string(b)) + "\n"
		}
	}
	return steady(fmt.Sprintf("%s\n%d %s\n\n%s", r.what, r.Status, kind, body))
}

// What differs from run to run, and what stands in its place.
var changing = []struct {
	name string
	form *regexp.Regexp
}{
	{"id", regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)},
	{"time", regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)},
}

// steady numbers what changes in order of its appearance; the same stays the same.
func steady(text string) string {
	for _, c := range changing {
		seen := map[string]string{}
		text = c.form.ReplaceAllStringFunc(text, func(found string) string {
			if seen[found] == "" {
				seen[found] = fmt.Sprintf("%s-%d", c.name, len(seen)+1)
			}
			return seen[found]
		})
	}
	return text
}
