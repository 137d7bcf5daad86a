package model_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/model"
)

// TestPrivacyTags is a table of models and what is wrong with them; "" is nothing.
func TestPrivacyTags(t *testing.T) {
	type fine struct {
		ID    model.ID `privacy:"subject"`
		Name  string   `privacy:"sealed"`
		Notes *string  `privacy:"sealed"`
		Scan  []byte   `privacy:"sealed"`
	}
	type noSubject struct {
		ID   model.ID
		Name string `privacy:"sealed"`
	}
	type noSealed struct {
		ID model.ID `privacy:"subject"`
	}
	type twoSubjects struct {
		ID   model.ID `privacy:"subject"`
		Who  string   `privacy:"subject"`
		Name string   `privacy:"sealed"`
	}
	type unique struct {
		ID   model.ID `privacy:"subject"`
		Name string   `lithair:"unique" privacy:"sealed"`
	}
	type indexed struct {
		ID   model.ID `privacy:"subject"`
		Name string   `lithair:"indexed" privacy:"sealed"`
	}
	type composite struct {
		_    struct{} `lithair:"index=Kind+Name"`
		ID   model.ID `privacy:"subject"`
		Kind string
		Name string `privacy:"sealed"`
	}
	type where struct {
		_    struct{} `lithair:"index=Kind where Name=x"`
		ID   model.ID `privacy:"subject"`
		Kind string
		Name string `privacy:"sealed"`
	}
	type foreign struct {
		ID   model.ID `privacy:"subject"`
		Name string   `lithair:"fk=fine" privacy:"sealed"`
	}
	type key struct {
		ID  string `lithair:"primary_key" privacy:"sealed"`
		Who string `privacy:"subject"`
	}
	type number struct {
		ID  model.ID `privacy:"subject"`
		Age int      `privacy:"sealed"`
	}
	type optional struct {
		ID   model.ID
		Who  *string `privacy:"subject"`
		Name string  `privacy:"sealed"`
	}
	type memory struct {
		_    struct{} `persist:"memory_only"`
		ID   model.ID `privacy:"subject"`
		Name string   `privacy:"sealed"`
	}
	type word struct {
		ID model.ID `privacy:"subjct"`
	}
	for _, c := range []struct {
		model any
		want  string
	}{
		{fine{}, ""}, {noSubject{}, "needs a field with privacy"}, {noSealed{}, "has no effect"}, {twoSubjects{}, "a second subject"},
		{unique{}, "unique, indexed"}, {indexed{}, "unique, indexed"}, {composite{}, "unique, indexed"}, {where{}, "unique, indexed"},
		{foreign{}, "unique, indexed"}, {key{}, "cannot be a key"}, {number{}, "a string, *string or []byte"},
		{optional{}, "is an ID, a string or an integer"}, {memory{}, "memory_only"}, {word{}, `did you mean "subject"`},
	} {
		m, err := model.Of(reflect.TypeOf(c.model))
		if c.want == "" {
			if err != nil || !m.Seals() || m.SubjectField() != "ID" {
				t.Errorf("%T: %v", c.model, err)
			}
			continue
		}
		var tag *model.TagError
		if !errors.As(err, &tag) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: %v, want %q", c.model, err, c.want)
		}
	}
}
