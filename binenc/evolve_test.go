package binenc

import (
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
)

// Messages of the first version of a type, kept for ever, are read by every later one.
func TestOldMessagesAreRead(t *testing.T) {
	type part struct{ Weight int16 }
	type first struct {
		Name  string
		Count int32
		Parts []part
		Note  string
	}
	type newPart struct {
		Weight int64 // wider
		Color  uint8 // new
	}
	type later struct {
		Parts []newPart
		Title string // was Name
		Count int64
		Due   *int           // new
		By    map[string]int // new
		Rest  Unknown        // holds Note, which is gone
	}
	old, _ := planFor[first](t)
	ty := &Type{Kind: KindMessage, Fields: []Field{
		{3, "Parts", Type{Kind: KindList, Elem: &Type{Kind: KindMessage, Fields: []Field{{1, "Weight", Type{Kind: KindInt}}, {2, "Color", Type{Kind: KindUint}}}}}},
		{1, "Title", Type{Kind: KindString}}, {2, "Count", Type{Kind: KindInt}},
		{5, "Due", Type{Kind: KindInt, Optional: true}}, {6, "By", Type{Kind: KindMap, Key: &Type{Kind: KindString}, Elem: &Type{Kind: KindInt}}},
	}}
	now, err := Compile(reflect.TypeFor[later](), ty, byGoName)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "83626f74c1580283010200846e6f7465"
	v := first{"bot", 300, []part{{1}, {}}, "note"}
	msg, err := old.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(msg) != golden {
		t.Errorf("the old type gives %x, want %s", msg, golden)
	}
	var got later
	if err := now.Decode(unhex(t, golden), &got); err != nil {
		t.Fatal(err)
	}
	want := later{Title: "bot", Count: 300, Parts: []newPart{{Weight: 1}, {}}, Rest: Unknown("\xd2\x84note")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	got.Due = ptr(0)
	if msg, err = now.Append(nil, &got); err != nil {
		t.Fatal(err)
	}
	var back first
	if err := old.Decode(msg, &back); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("the old code reads the new message as %+v, %v", back, err)
	}
}

func TestEvolve(t *testing.T) {
	k := func(k Kind) Type { return Type{Kind: k} }
	opt := func(k Kind) Type { return Type{Kind: k, Optional: true} }
	list := func(e Type) Type { return Type{Kind: KindList, Elem: &e} }
	mapping := func(key, e Type) Type { return Type{Kind: KindMap, Key: &key, Elem: &e} }
	msg := func(fields ...Field) Type { return Type{Kind: KindMessage, Fields: fields} }
	one := func(t Type) Type { return msg(Field{4, "F", t}) }
	for _, c := range []struct {
		what     string
		old, now Type
		path     string // of the refusal
	}{
		{"the same", one(k(KindInt)), one(k(KindInt)), ""},
		{"a field more", msg(), one(k(KindInt)), ""},
		{"a field less", one(k(KindInt)), msg(), ""},
		{"another name", one(k(KindInt)), msg(Field{4, "G", k(KindInt)}), ""},
		{"another number", one(k(KindInt)), msg(Field{5, "F", k(KindString)}), ""},
		{"another order", msg(Field{1, "A", k(KindInt)}, Field{2, "B", k(KindUint)}), msg(Field{2, "B", k(KindUint)}, Field{1, "A", k(KindInt)}), ""},
		{"a field more inside", one(list(msg())), one(list(one(k(KindInt)))), ""},
		{"int to uint", one(k(KindInt)), one(k(KindUint)), "F"},
		{"int to duration", one(k(KindInt)), one(k(KindDuration)), "F"},
		{"int to bool", one(k(KindInt)), one(k(KindBool)), "F"},
		{"string to bytes", one(k(KindString)), one(k(KindBytes)), "F"},
		{"float32 to float64", one(k(KindFloat32)), one(k(KindFloat64)), "F"},
		{"to optional", one(k(KindInt)), one(opt(KindInt)), "F"},
		{"from optional", one(opt(KindInt)), one(k(KindInt)), "F"},
		{"a number used again", one(k(KindInt)), msg(Field{4, "New", k(KindString)}), "New"},
		{"elements", one(list(k(KindInt))), one(list(k(KindString))), "F[]"},
		{"a list to its element", one(list(k(KindInt))), one(k(KindInt)), "F"},
		{"keys", one(mapping(k(KindInt), k(KindInt))), one(mapping(k(KindUint), k(KindInt))), "F{key}"},
		{"values", one(mapping(k(KindInt), k(KindInt))), one(mapping(k(KindInt), k(KindTime))), "F{}"},
		{"inside a message", one(one(k(KindInt))), one(one(k(KindUint))), "F.F"},
		{"inside a list", one(list(one(k(KindInt)))), one(list(one(k(KindUint)))), "F[].F"},
	} {
		err := Evolve(&c.old, &c.now)
		var e *EvolveError
		if (err == nil) != (c.path == "") || err != nil && (!errors.As(err, &e) || e.Path != c.path) {
			t.Errorf("%s: %v, want a refusal at %q", c.what, err, c.path)
		}
		if back := Evolve(&c.now, &c.old); (back == nil) != (err == nil) {
			t.Errorf("%s: one way %v, back %v", c.what, err, back)
		}
	}
}
