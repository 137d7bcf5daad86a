package model

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLifecycles(t *testing.T) {
	type M struct {
		_       struct{} `lifecycle:"immutable,audited,versioned=5,retention=365"`
		ID      ID
		Created time.Time `lithair:"created"`
	}
	m, err := Of(reflect.TypeFor[M]())
	if err != nil {
		t.Fatal(err)
	}
	if !m.Immutable || !m.Audited || m.Versioned != 5 || m.Retention != 365*24*time.Hour || m.Since.Name != "Created" || !m.Since.Indexed || !m.Trailed() {
		t.Fatalf("%+v", m.Lifecycle)
	}
	type N struct {
		ID   ID
		Ends *time.Time `lifecycle:"retention=1"`
	}
	if m, err = Of(reflect.TypeFor[N]()); err != nil || m.Since.Name != "Ends" || m.Retention != 24*time.Hour || m.Trailed() {
		t.Fatalf("%+v, %v", m, err)
	}
	type O struct {
		_  struct{} `persist:"memory_only" lithair:"index=A+ID"`
		ID uint64
		A  int `lithair:"indexed"`
	}
	if m, err = Of(reflect.TypeFor[O]()); err != nil || !m.MemoryOnly {
		t.Fatalf("%+v, %v", m, err)
	}
}

func TestLifecyclesThatCannotBe(t *testing.T) {
	type inner struct {
		_ struct{} `lifecycle:"immutable"`
		X int
	}
	type deep struct {
		X time.Time `lifecycle:"retention=3"`
	}
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[struct {
			ID ID `lifecycle:"versioned=3"`
		}](), "put it on a blank field"},
		{reflect.TypeFor[struct {
			ID ID `persist:"memory_only"`
		}](), "put it on a blank field"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"snapshot_only"`
			ID ID
		}](), "would lose what was acknowledged"},
		{reflect.TypeFor[struct {
			ID ID `persist:"snapshot_only"`
		}](), "would lose what was acknowledged"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"versioned=0"`
			ID ID
		}](), "from 1 to 1000"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"versioned=1001"`
			ID ID
		}](), "from 1 to 1000"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"versioned"`
			ID ID
		}](), "needs a value"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"retention=x"`
			ID ID
		}](), "from 1 to 36500"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"retention=1"`
			ID ID
		}](), "retention counts from a time"},
		{reflect.TypeFor[struct {
			ID ID
			A  int `lifecycle:"retention=1"`
		}](), "counts from a time.Time"},
		{reflect.TypeFor[struct {
			ID   ID
			A, B time.Time `lifecycle:"retention=1"`
		}](), "a second retention"},
		{reflect.TypeFor[struct {
			_  struct{} `lifecycle:"immutabel"`
			ID ID
		}](), "did you mean \"immutable\""},
		{reflect.TypeFor[struct {
			_  struct{} `persist:"memory_only" lifecycle:"versioned=2"`
			ID ID
		}](), "have no past"},
		{reflect.TypeFor[struct {
			_  struct{} `persist:"memory_only"`
			ID ID
			A  int `lifecycle:"audited"`
		}](), "have no past"},
		{reflect.TypeFor[struct {
			_  struct{} `persist:"memory_only"`
			ID ID
			A  ID `lithair:"fk=X"`
		}](), "cannot be held to"},
		{reflect.TypeFor[struct {
			ID ID
			A  inner
		}](), "not for a struct inside"},
		{reflect.TypeFor[struct {
			ID ID
			A  deep
		}](), "not for those of a struct inside"},
	} {
		m := &Model{Name: "M", Type: c.typ}
		var errs []error
		m.collect(c.typ, nil, &errs)
		m.findPrimary(&errs)
		m.checkLifecycle(&errs)
		if len(errs) == 0 || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.typ, errs, c.want)
		}
	}
}
