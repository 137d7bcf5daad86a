package state_test

import (
	"fmt"
	"log"
	"reflect"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

type City struct {
	ID      uint64 `json:"id"`
	Name    string `json:"name" lithair:"unique"`
	Country string `json:"country" lithair:"indexed"`
}

// declare returns the event that declares City as model 1, its schema and codec.
func declare() (state.Event, *model.Schema, *model.Codec) {
	m, err := model.Of(reflect.TypeFor[City]())
	if err != nil {
		log.Fatal(err)
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		log.Fatal(err)
	}
	s.Number = 1
	codec, err := m.Bind(s)
	if err != nil {
		log.Fatal(err)
	}
	return state.Event{Model: state.SchemaModel, Kind: state.Created, Key: state.SchemaKey("City"), Fields: s.Append(nil)}, s, codec
}

func created(codec *model.Codec, c City) state.Event {
	key, err := codec.Key(&c)
	if err != nil {
		log.Fatal(err)
	}
	rec, err := codec.Append(nil, &c)
	if err != nil {
		log.Fatal(err)
	}
	return state.Event{Model: 1, Kind: state.Created, Key: key, Fields: rec}
}

func Example() {
	declaration, schema, codec := declare()
	store := state.NewStore(state.Empty())

	batch := store.Load().Begin()
	for seq, ev := range []state.Event{
		declaration,
		created(codec, City{1, "Lyon", "France"}),
		created(codec, City{2, "Porto", "Portugal"}),
		created(codec, City{3, "Nantes", "France"}),
	} {
		if err := batch.Apply(uint64(seq+1), ev); err != nil {
			log.Fatal(err)
		}
	}
	mark := batch.Mark()
	err := batch.Apply(5, created(codec, City{4, "Lyon", "Elsewhere"}))
	fmt.Println(err != nil) // the name is unique
	batch.Rollback(mark)
	store.Publish(batch.Seal(4, 0))

	root := store.Load()
	france := state.Prefix(string(binenc.AppendKeyString(nil, "France")))
	country := schema.Field("country").Number
	fmt.Println(root.Len(1), root.CountIndex(1, country, france))
	for _, row := range root.ScanIndex(1, country, france) {
		var c City
		if err := codec.Decode(row.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.Seq(), c.Name)
	}
	// Output:
	// true
	// 3 2
	// 2 Lyon
	// 4 Nantes
}

func ExampleDiff() {
	declaration, _, codec := declare()
	batch := state.Empty().Begin()
	for _, ev := range []state.Event{declaration, created(codec, City{1, "Lyon", "France"})} {
		if err := batch.Apply(1, ev); err != nil {
			log.Fatal(err)
		}
	}
	old := batch.Seal(1, 0)

	next := old.Begin()
	if err := next.Apply(2, created(codec, City{2, "Porto", "Portugal"})); err != nil {
		log.Fatal(err)
	}
	for c := range state.Diff(old, next.Seal(2, 0)) {
		fmt.Println(c.Model, codec.KeyText(c.Key), c.Old == nil)
	}
	// Output: 1 2 true
}
