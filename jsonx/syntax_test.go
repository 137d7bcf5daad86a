package jsonx

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

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
