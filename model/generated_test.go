package model

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

type current struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

func (*current) GeneratedModel() (*current, string) {
	return nil, Fingerprint(reflect.TypeFor[current]())
}
func (v *current) Violations() []Violation { return []Violation{{Field: "mark"}} }

type stale struct {
	ID int `json:"id"`
}

func (*stale) GeneratedModel() (*stale, string) { return nil, "0123456789abcdef" }
func (v *stale) Violations() []Violation        { return nil }

// outer has the methods of what it embeds.
type outer struct {
	current
	More string `json:"more" http:"validate=non_empty"`
}

// TestGeneratedCodeIsAdopted: code of the same state of the type stands in for reflection,
// that of another state stops the start, that of an embedded type is not taken.
func TestGeneratedCodeIsAdopted(t *testing.T) {
	if got := mustModel[current](t).Validate(&current{}); len(got) != 1 || got[0].Field != "mark" {
		t.Errorf("generated code was not called: %v", got)
	}
	var bad *TagError
	if _, err := Of(reflect.TypeFor[stale]()); !errors.As(err, &bad) || !strings.Contains(err.Error(), "run lithair gen") {
		t.Errorf("code of another state: %v", err)
	}
	if got := mustModel[outer](t).Validate(&outer{}); len(got) != 1 || got[0].Field != "more" {
		t.Errorf("the outer type is judged by the code of the embedded one: %v", got)
	}
}

// TestFingerprint: what a tag or a field says changes it, names of types do not.
func TestFingerprint(t *testing.T) {
	type name string
	type a struct {
		ID   int
		Name string `json:"n"`
	}
	type b struct {
		ID   int
		Name name `json:"n"`
	}
	base := Fingerprint(reflect.TypeFor[a]())
	if got := Fingerprint(reflect.TypeFor[b]()); got != base {
		t.Error("the name of a type changes it")
	}
	for _, other := range []reflect.Type{
		reflect.TypeFor[struct {
			ID   int
			Name string `json:"m"`
		}](),
		reflect.TypeFor[struct {
			ID   int64
			Name string `json:"n"`
		}](),
		reflect.TypeFor[struct {
			ID   int
			Name *string `json:"n"`
		}](),
		reflect.TypeFor[struct {
			ID   int
			Name string `json:"n"`
			More []struct{ X ID }
		}](),
	} {
		if Fingerprint(other) == base {
			t.Errorf("%s has the same as %s", other, reflect.TypeFor[a]())
		}
	}
}
