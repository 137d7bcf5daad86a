package model_test

import (
	"fmt"
	"log"
	"reflect"

	"github.com/lithair/lithair-go/model"
)

type article struct {
	Slug  string `json:"slug" lithair:"primary_key"`
	Title string `json:"title" http:"validate=length(1,10)"`
}

type mistaken struct {
	ID model.ID `lithair:"primarykey"`
}

// A struct says what it is once, for storage, REST and queries; a mistake in it is named.
func Example() {
	m, err := model.Of(reflect.TypeFor[article]())
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range m.Validate(&article{Slug: "a", Title: "longer than that"}) {
		fmt.Println(v.Field, v.Code)
	}
	_, err = model.Of(reflect.TypeFor[mistaken]())
	fmt.Println(err)
	// Output:
	// title length
	// model: model_test.mistaken.ID: tag lithair: unknown word "primarykey"; did you mean "primary_key"? (allowed: primary_key, unique, indexed, index=, unique=, fk=, on_delete=, was=, created, updated)
}
