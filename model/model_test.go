package model

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/binenc"
)

func TestValidators(t *testing.T) {
	type M struct {
		ID    ID
		Mail  string   `http:"validate=email"`
		Link  string   `http:"validate=url"`
		UUID  string   `http:"validate=uuid"`
		Name  string   `http:"validate=non_empty"`
		Len   string   `http:"validate=length(2,3)"`
		Min   string   `http:"validate=min_length(2)"`
		Max   []string `http:"validate=max_length(1)"`
		Range int      `http:"validate=range(1,5)"`
		Low   uint8    `http:"validate=min(2)"`
		High  float64  `http:"validate=max(1.5)"`
		Re    string   `http:"validate=regex(\"^a{1,2};$\")"`
	}
	m, err := Of(reflect.TypeFor[M]())
	if err != nil {
		t.Fatal(err)
	}
	good := M{Mail: "a@b.org", Link: "https://b.org/", UUID: ID{1}.String(), Name: "n", Len: "éé", Min: "ab", Range: 5, Low: 2, High: 1.5, Re: "aa;"}
	if v := m.Validate(&good); v != nil {
		t.Fatalf("good: %+v", v)
	}
	bad := M{Mail: "a@b", Link: "ftp://b", UUID: "x", Len: "éééé", Min: "é", Max: []string{"", ""}, Range: 6, Low: 1, High: 1.6, Re: "aaa;"}
	var codes []string
	for _, v := range m.Validate(&bad) {
		codes = append(codes, v.Code)
	}
	want := []string{"email", "url", "uuid", "non_empty", "length", "min_length", "max_length", "range", "min", "max", "regex"}
	if !slices.Equal(codes, want) {
		t.Fatalf("got %v, want %v", codes, want)
	}
}

func TestUnknownWordSuggests(t *testing.T) {
	type M struct {
		ID   ID
		Name string `lithair:"uniqe"`
	}
	_, err := Of(reflect.TypeFor[M]())
	if err == nil || !strings.Contains(err.Error(), "unique") {
		t.Fatalf("got %v, want a hint at unique", err)
	}
}

func TestEvolveKeepsNumbers(t *testing.T) {
	type A struct {
		ID   ID
		Old  string
		Gone int
	}
	type B struct {
		ID  ID
		New string `lithair:"was=Old"`
		Add bool
	}
	a, err := Of(reflect.TypeFor[A]())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Of(reflect.TypeFor[B]())
	if err != nil {
		t.Fatal(err)
	}
	s1, _, err := a.Evolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	s2, changed, err := b.Evolve(s1)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if s2.Field("New").Number != s1.Field("Old").Number || s2.Field("Add").Number != 4 || !s2.ByNumber(s1.Field("Gone").Number).Dropped {
		t.Fatalf("%+v", s2)
	}
	back, err := ParseSchema(s2.Append(nil))
	if err != nil || !reflect.DeepEqual(back, s2) {
		t.Fatalf("%+v %v, want %+v", back, err, s2)
	}
	if _, changed, err := b.Evolve(s2); changed || err != nil {
		t.Fatal("a second time:", changed, err)
	}
}

func TestIDsAscend(t *testing.T) {
	var g Generator
	now := time.UnixMilli(1 << 40)
	var last ID
	for i := range 10_000 {
		id := g.NewID(now.Add(-time.Duration(i)*time.Millisecond), func() uint64 { return ^uint64(0) })
		if string(id[:]) <= string(last[:]) || id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("%d: %s after %s", i, id, last)
		}
		last = id
	}
}

func TestParseSchemaRefusesNumbersGivenTwice(t *testing.T) {
	s := &Schema{Model: "m", Number: 1, Fields: []SchemaField{{Number: 1, Name: "a"}, {Number: 1, Name: "b"}}}
	if _, err := ParseSchema(s.Append(nil)); err == nil {
		t.Error("two fields have one number")
	}
	s.Fields[1].Number = 0
	if _, err := ParseSchema(s.Append(nil)); err == nil {
		t.Error("a field has number 0")
	}
	s.Fields[1].Number = 2
	if _, err := ParseSchema(s.Append(nil)); err != nil {
		t.Error(err)
	}
}

func TestDecimalsHaveKeys(t *testing.T) {
	d, err := binenc.ParseDecimal("12.50")
	if err != nil {
		t.Fatal(err)
	}
	key, err := KeyFor(&binenc.Type{Kind: binenc.KindDecimal}, d)
	if err != nil || key != string(binenc.AppendKeyDecimal(nil, d)) {
		t.Errorf("%x, %v", key, err)
	}
	if _, err := KeyFor(&binenc.Type{Kind: binenc.KindDecimal}, 12.5); err == nil {
		t.Error("a float is a decimal")
	}
}
