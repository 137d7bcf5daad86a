package model

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

type indexedModel struct {
	_ struct{} `lithair:"index=author+created_at,unique=slug where deleted_at=null"`

	ID      uint64     `json:"id"`
	Author  string     `json:"author" lithair:"index=author+stock where stock>0 and author!=\"a and b\""`
	Slug    string     `json:"slug"`
	Stock   int        `json:"stock"`
	Created time.Time  `json:"created_at"`
	Deleted *time.Time `json:"deleted_at"`
	Tags    []string   `json:"tags"`
}

func TestDeclaredIndexes(t *testing.T) {
	m, err := Of(reflect.TypeFor[indexedModel]())
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Number = 1
	var names []string
	for i := range s.Indexes {
		names = append(names, s.IndexName(&s.Indexes[i]))
	}
	if !reflect.DeepEqual(names, []string{"author+created_at", "slug", "author+stock"}) || len(s.Indexes[2].Where) != 2 || !s.Indexes[1].Unique {
		t.Fatalf("%v, %+v", names, s.Indexes)
	}
	back, err := ParseSchema(s.Append(nil))
	if err != nil || !reflect.DeepEqual(back, s) {
		t.Fatalf("%+v, %v, want %+v", back, err, s)
	}
	c, err := m.Bind(s)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	for _, row := range []struct {
		v  indexedModel
		in [3]bool
	}{
		{indexedModel{ID: 1, Author: "x", Stock: 1}, [3]bool{true, true, true}},
		{indexedModel{ID: 1, Author: "x"}, [3]bool{true, true, false}},
		{indexedModel{ID: 1, Author: "a and b", Stock: 1, Deleted: &now}, [3]bool{true, false, false}},
	} {
		rec, err := c.Append(nil, &row.v)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Indexes {
			if _, in, err := s.IndexKey(nil, &s.Indexes[i], rec); in != row.in[i] || err != nil {
				t.Errorf("%+v in %s: %v, %v", row.v, names[i], in, err)
			}
		}
	}
}

func TestIndexesKeepNumbers(t *testing.T) {
	type A struct {
		_       struct{} `lithair:"index=a+b,index=b+a"`
		ID      uint64
		A, B, C int    `json:"-"`
		X       string `json:"a"`
		Y       string `json:"b"`
	}
	type B struct {
		_  struct{} `lithair:"index=b+a,unique=a+new,index=new where b>x"`
		ID uint64
		X  string `json:"a"`
		Y  string `json:"b"`
		Z  string `json:"new"`
	}
	of := func(typ reflect.Type) *Model {
		m, err := Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		m.Name = "M"
		return m
	}
	s1, _, err := of(reflect.TypeFor[A]()).Evolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	s2, changed, err := of(reflect.TypeFor[B]()).Evolve(s1)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if len(s2.Indexes) != 3 || s2.Indexes[0].Number != s1.Indexes[1].Number || s2.Indexes[1].Number <= s1.Indexes[1].Number {
		t.Fatalf("%+v behind %+v", s2.Indexes, s1.Indexes)
	}
	if _, changed, err := of(reflect.TypeFor[B]()).Evolve(s2); changed || err != nil {
		t.Error("a second time:", changed, err)
	}
}

func TestIndexesThatCannotBe(t *testing.T) {
	type inner struct {
		X int `lithair:"index=X"`
	}
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"index=ID+Bee"`
			B  int
		}](), "there is no field \"Bee\""},
		{reflect.TypeFor[struct {
			ID uint64
			A  []int `lithair:"index=ID+A"`
		}](), "list and cannot be indexed"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"index=A+A"`
		}](), "named twice"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"unique=A+ID"`
			B  int `lithair:"unique=A+ID"`
		}](), "declared twice"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"indexed,index=A"`
		}](), "index of its own"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"index=A where A"`
		}](), "wants a comparison"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"index=A where A=x"`
		}](), "wants a whole number"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"index=A where A=null"`
		}](), "wants a whole number"},
		{reflect.TypeFor[struct {
			ID uint64
			A  *int `lithair:"index=A where A<null"`
		}](), "greater or less than null"},
		{reflect.TypeFor[struct {
			ID uint64
			A  *int `lithair:"index=A where A=!1"`
		}](), "wants a whole number"},
		{reflect.TypeFor[struct {
			ID                     uint64
			A, B, C, D, E, F, G, H int
			_                      struct{} `lithair:"index=ID+A+B+C+D+E+F+G+H"`
		}](), "the limit is 8"},
		{reflect.TypeFor[struct {
			ID uint64
			_  struct{} `lithair:"unique"`
		}](), "needs a value"},
		{reflect.TypeFor[struct {
			ID uint64
			_  struct{} `lithair:"fk=A"`
		}](), "unknown word"},
		{reflect.TypeFor[struct {
			ID uint64
			A  int `lithair:"index="`
		}](), "needs a value"},
		{reflect.TypeFor[struct {
			ID uint64
			A  inner
		}](), "not for those of a struct inside"},
	} {
		m := &Model{Name: "M", Type: c.typ}
		var errs []error
		m.collect(c.typ, nil, &errs)
		m.findPrimary(&errs)
		if len(errs) == 0 {
			m.readIndexes(&errs)
		}
		if len(errs) == 0 || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.typ, errs, c.want)
		}
	}
}

func TestParseSchemaRefusesIndexes(t *testing.T) {
	fields := []SchemaField{{Number: 1, Name: "a"}, {Number: 2, Name: "b", Dropped: true}}
	for _, list := range [][]Index{
		{{Number: 1, Fields: []uint32{1}}}, {{Number: FirstIndex}}, {{Number: FirstIndex, Fields: []uint32{2}}}, {{Number: FirstIndex, Fields: []uint32{3}}},
		{{Number: FirstIndex, Fields: []uint32{1}}, {Number: FirstIndex, Fields: []uint32{1}}},
		{{Number: FirstIndex, Fields: []uint32{1}, Where: []Condition{{1, 77, nil}}}}, {{Number: FirstIndex, Fields: []uint32{1}, Where: []Condition{{2, Equal, nil}}}},
		{{Number: FirstIndex, Fields: []uint32{1, 1, 1, 1, 1, 1, 1, 1, 1}}},
	} {
		s := &Schema{Model: "m", Number: 1, Fields: fields, Indexes: list}
		if _, err := ParseSchema(s.Append(nil)); err == nil {
			t.Errorf("%+v is taken", list)
		}
	}
	s := &Schema{Model: "m", Number: 1, Fields: fields, Indexes: []Index{{Number: FirstIndex, Fields: []uint32{1}, Where: []Condition{{1, AtLeast, []byte{1}}}}}}
	if _, err := ParseSchema(s.Append(nil)); err != nil {
		t.Error(err)
	}
}
