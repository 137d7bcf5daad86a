package openapi

import (
	"reflect"
	"testing"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
)

type tree struct {
	Name string            `json:"name" http:"validate=length(1,9)"`
	Subs []tree            `json:"subs,omitempty"`
	More map[string]*int32 `json:"more"`
	skip int
	Gone string `json:"-"`
}

func TestSchemas(t *testing.T) {
	for _, c := range []struct {
		t    reflect.Type
		want string
	}{
		{reflect.TypeFor[string](), `{"type":"string"}`},
		{reflect.TypeFor[*string](), `{"type":["string","null"]}`},
		{reflect.TypeFor[uint8](), `{"type":"integer","format":"int32","minimum":0}`},
		{reflect.TypeFor[time.Duration](), `{"type":"integer","format":"int64","description":"nanoseconds"}`},
		{reflect.TypeFor[*time.Time](), `{"type":["string","null"],"format":"date-time"}`},
		{reflect.TypeFor[model.ID](), `{"type":"string","format":"uuid"}`},
		{reflect.TypeFor[[]byte](), `{"type":["string","null"],"contentEncoding":"base64"}`},
		{reflect.TypeFor[[2]bool](), `{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2}`},
		{reflect.TypeFor[any](), `{}`},
		{reflect.TypeFor[*any](), `{}`},
		{reflect.TypeFor[*tree](), `{"anyOf":[{"$ref":"#/components/schemas/tree"},{"type":"null"}]}`},
		{reflect.TypeFor[struct {
			tree
			X float32 `json:"x,string"`
		}](), `{"type":"object","properties":{"name":{"type":"string"},"subs":{"type":["array","null"],"items":{"$ref":"#/components/schemas/tree"}},` +
			`"more":{"type":["object","null"],"additionalProperties":{"type":["integer","null"],"format":"int32"}},"x":{"type":"string"}},"required":["name","more","x"]}`},
	} {
		got, err := jsonx.Marshal(newSchemas().of(c.t, nil))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.t, got, err, c.want)
		}
	}
}

// TestNamesOfSchemas: two types of one name get two, and one that holds itself ends.
func TestNamesOfSchemas(t *testing.T) {
	s := newSchemas()
	first := s.named(reflect.TypeFor[tree]())
	type tree struct{ Other int }
	if second := s.named(reflect.TypeFor[tree]()); first != "tree" || second != "tree2" || len(s.made) != 2 {
		t.Errorf("%s and %s of %d", first, second, len(s.made))
	}
}

func TestRulesInSchemas(t *testing.T) {
	type in struct {
		A string   `json:"a" http:"validate=email;max_length(5)"`
		B []int    `json:"b" http:"validate=min_length(2)"`
		C float64  `json:"c" http:"validate=range(-0.5,1e3)"`
		D uint     `json:"d" http:"validate=min(3)"`
		E *string  `json:"e" http:"validate=url"`
		F string   `json:"f" http:"validate=regex(\"^x\")"`
		G *float32 `json:"g" http:"validate=max(inf)"`
	}
	got, err := jsonx.Marshal(newSchemas().body(reflect.TypeFor[in]()))
	want := `{"type":"object","properties":{"a":{"type":"string","format":"email","maxLength":5},"b":{"type":["array","null"],"items":{"type":"integer","format":"int64"},"minItems":2},` +
		`"c":{"type":"number","format":"double","minimum":-0.5,"maximum":1000},"d":{"type":"integer","format":"uint64","minimum":3},"e":{"type":["string","null"],"format":"uri"},` +
		`"f":{"type":"string","pattern":"^x"},"g":{"type":["number","null"],"format":"float"}},"additionalProperties":false,"required":["a","b","d"]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; want\n%s", got, err, want)
	}
}
