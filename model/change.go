package model

import (
	"fmt"
	"slices"
)

// Class says what a change of a schema means for data and clients.
type Class uint8

// The classes, each worse than the one before.
const (
	Safe       Class = iota // records and clients stay as they are
	Breaking                // clients see another API, or some data may be refused
	Lossy                   // values are no longer seen
	Impossible              // records could not be read: the start would refuse
)

// String names the class.
func (c Class) String() string {
	return [...]string{"safe", "breaking", "lossy", "impossible"}[c]
}

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// SchemaChange is one difference between two schemas of a model.
type SchemaChange struct {
	Class  Class  `json:"class"`
	Model  string `json:"model"`
	Field  string `json:"field,omitempty"`
	What   string `json:"what"`
	Number uint32 `json:"number,omitempty"` // of the field
}

// Compare lists how a model changes; old, or new, is nil where it is not there. The order
// is that of the field numbers.
func Compare(old, new *ReviewedModel) (list []SchemaChange) {
	switch {
	case old == nil || old.Removed && !new.Removed:
		return []SchemaChange{{Class: Safe, Model: new.Model, What: "the model is new"}}
	case new == nil || new.Removed:
		if old.Removed {
			return nil
		}
		return []SchemaChange{{Class: Lossy, Model: old.Model, What: "the model goes: its records stay in the log, and nobody serves them"}}
	}
	add := func(class Class, f *ReviewedField, what string) {
		list = append(list, SchemaChange{Class: class, Model: new.Model, Field: f.Name, What: what, Number: f.Number})
	}
	for i := range new.Fields {
		f := &new.Fields[i]
		switch was := old.byNumber(f.Number); {
		case was == nil && !f.Dropped:
			add(Safe, f, fmt.Sprintf("the field is new, with number %d", f.Number))
		case was != nil:
			compareField(add, was, f)
		}
	}
	for i := range old.Fields {
		if f := &old.Fields[i]; new.byNumber(f.Number) == nil && !f.Dropped {
			add(Impossible, f, fmt.Sprintf("number %d is given to no field any more", f.Number))
		}
	}
	for _, x := range new.Indexes {
		if !slices.Contains(old.Indexes, x) {
			class, what := Safe, "the index is new: "+x
			if len(x) > 7 && x[:7] == "unique " {
				class, what = Breaking, "records must be "+x
			}
			list = append(list, SchemaChange{Class: class, Model: new.Model, What: what})
		}
	}
	for _, x := range old.Indexes {
		if !slices.Contains(new.Indexes, x) {
			list = append(list, SchemaChange{Class: Safe, Model: new.Model, What: "the index goes: " + x})
		}
	}
	return list
}

// compareField lists how a field changes.
func compareField(add func(Class, *ReviewedField, string), was, f *ReviewedField) {
	if f.Dropped || was.Dropped {
		switch {
		case !was.Dropped:
			add(Lossy, f, "the field goes: its values stay in old records, and nobody sees them")
		case !f.Dropped:
			add(Safe, f, "the field is back, with its old values")
		}
		return
	}
	if was.Name != f.Name {
		add(Breaking, f, fmt.Sprintf("%s is now called %s; its values stay, clients know the old name", was.Name, f.Name))
	}
	compareType(add, was, f)
	flag := func(old, new bool, class Class, on, off string) {
		switch {
		case new && !old:
			add(class, f, on)
		case old && !new:
			add(Safe, f, off)
		}
	}
	if was.Primary != f.Primary {
		add(Impossible, f, "another field becomes the primary key")
	}
	flag(was.Unique, f.Unique, Breaking, "its values must be unique", "its values need no longer be unique")
	flag(was.Indexed, f.Indexed, Safe, "it gets an index", "its index goes: filters on it read all records")
	if was.FK != f.FK {
		class := Breaking
		if f.FK == "" {
			class = Safe
		}
		add(class, f, fmt.Sprintf("it refers to %s, and referred to %s", orNothing(f.FK), orNothing(was.FK)))
	}
	if was.OnDelete != f.OnDelete && f.FK != "" {
		add(Breaking, f, fmt.Sprintf("when what it refers to is deleted: %s, before: %s", orNothing(f.OnDelete), orNothing(was.OnDelete)))
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// compareType tells a type that gained fields from one that is another.
func compareType(add func(Class, *ReviewedField, string), was, f *ReviewedField) {
	old, err := was.Type.plain(0)
	now, err2 := f.Type.plain(0)
	switch {
	case err != nil || err2 != nil || !within(&old, &now):
		add(Impossible, f, fmt.Sprintf("it was %s and would be %s, or its fields have other numbers", old.String(), now.String()))
	case !old.Equal(&now):
		add(Safe, f, "there are new fields inside")
	}
}
