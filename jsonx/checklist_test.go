package jsonx

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestChecklist: every test that CHECKLIST.md names exists, and every line names one or says why not.
func TestChecklist(t *testing.T) {
	text, err := os.ReadFile("CHECKLIST.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (\w+)\(`).FindAllSubmatch(src, -1) {
			have[string(m[1])] = true
		}
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[1]) == "#" {
			continue
		}
		lines++
		names := regexp.MustCompile("`((Test|Fuzz)\\w+)`").FindAllStringSubmatch(cells[3], -1)
		if len(names) == 0 && len(cells[3]) < 20 {
			t.Errorf("neither test nor reason: %s", line)
		}
		for _, n := range names {
			if !have[n[1]] {
				t.Errorf("%s does not exist", n[1])
			}
		}
	}
	if lines < 15 {
		t.Errorf("%d lines", lines)
	}
}

// syntaxFiles know no Go type but text: together they could be a package of their own.
var syntaxFiles = []string{"canonical.go", "comments.go", "decoder.go", "diff.go", "encoder.go", "errors.go", "floatparse.go", "floatprint.go", "format.go", "grammar.go",
	"load_portable.go", "load_unsafe.go", "mergepatch.go", "names.go", "number.go", "numbervalue.go", "object.go", "options.go", "patch.go", "pointer.go", "pow10.go", "quote.go", "scan.go",
	"string.go", "token.go", "value.go", "window.go"}

// TestSyntaxStandsAlone: those files import no reflection and use no name that only the other files declare.
func TestSyntaxStandsAlone(t *testing.T) {
	fset := token.NewFileSet()
	// Beside Marshal and in unsafe.go, without a Go type in sight: a []byte, and how words and texts are stored.
	declared := map[string]bool{"RawValue": true, "store64": true, "bytesOf": true}
	var parsed []*ast.File
	for _, name := range syntaxFiles {
		f, err := goparser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if slices.Contains([]string{`"reflect"`, `"encoding"`, `"sync/atomic"`}, i.Path.Value) {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
			path := strings.Trim(i.Path.Value, `"`)
			declared[path[strings.LastIndexByte(path, '/')+1:]] = true
		}
		for name := range f.Scope.Objects {
			declared[name] = true
		}
		parsed = append(parsed, f)
	}
	for _, f := range parsed {
		for _, id := range f.Unresolved {
			if !declared[id.Name] && types.Universe.Lookup(id.Name) == nil {
				t.Errorf("%s: %s is declared on the other side", fset.Position(id.Pos()), id.Name)
			}
		}
	}
}
