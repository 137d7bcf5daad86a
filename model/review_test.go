package model_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/model"
)

type depot struct {
	ID    string  `json:"id" lithair:"primary_key"`
	Place address `json:"place"`
}

type address struct {
	Street string `json:"street"`
	City   string `json:"city"`
	Zip    string `json:"zip"`
}

// TestReviewOfTwoBranches: a review in which two branches gave one number, or one name, inside of a message is
// refused when it is read: the log would hold a schema that nothing can be read with.
func TestReviewOfTwoBranches(t *testing.T) {
	m, err := model.Of(reflect.TypeFor[depot]())
	if err != nil {
		t.Fatal(err)
	}
	var none *model.Review
	r, err := none.Next([]*model.Model{m})
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := model.ParseReview(text); err != nil {
		t.Fatal(err)
	}
	head, inside, _ := strings.Cut(string(text), `"fields": [
              {`)
	for _, edit := range [][2]string{{`"number": 3`, `"number": 2`}, {`"zip"`, `"city"`}} {
		merged := strings.Replace(inside, edit[0], edit[1], 1)
		if merged == inside {
			t.Fatalf("%s does not stand in %s", edit[0], inside)
		}
		if _, err := model.ParseReview([]byte(head + `"fields": [{` + merged)); err == nil || !strings.Contains(err.Error(), "two branches") {
			t.Errorf("%s is %s: %v", edit[0], edit[1], err)
		}
	}
}
