package live

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/jsonx"
)

// hashVectors are those of SPEC.md, which must show them as they are here.
var hashVectors = []struct{ key, row string }{
	{"", "{}"},
	{"1", `{"id":1}`},
	{"7", `{"title":"b","id":7}`},
	{"é", `{"text":"€ \"quoted\" \n","n":1.5,"big":9007199254740993,"list":[true,null,{"b":1,"a":2}]}`},
}

func TestHashVectors(t *testing.T) {
	spec, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	all := Hash{}
	for _, v := range hashVectors {
		canonical, err := jsonx.Canonicalize(nil, []byte(v.row))
		if err != nil {
			t.Fatal(err)
		}
		h := HashRow(v.key, canonical)
		all = all.Plus(h)
		line := fmt.Sprintf("| `%s` | `%s` | `%s` |", v.key, v.row, h)
		if !strings.Contains(string(spec), line) {
			t.Errorf("SPEC.md lacks %s", line)
		}
		if all.Minus(h).Plus(h) != all {
			t.Error("a sum that cannot be taken back")
		}
	}
	if line := fmt.Sprintf("all of them together | `%s`", all); !strings.Contains(string(spec), line) {
		t.Errorf("SPEC.md lacks %s", line)
	}
}
