package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/binenc"
)

// Generated code of a model type T has these methods:
//
//	func (v *T) GeneratedModel() (*T, string) // nil and the Fingerprint of what it was made from
//	func (v *T) Violations() []Violation      // as Model.Validate without generated code
//
// The first names T, since a struct that embeds another one has the other one's methods too.

// adopt finds the generated code of the model's type. Code that was made of another state of
// the struct is an error: it would not do what the tags say.
func (m *Model) adopt() error {
	ptr := reflect.PointerTo(m.Type)
	method, ok := ptr.MethodByName("GeneratedModel")
	if !ok || method.Type.NumOut() != 2 || method.Type.Out(0) != ptr {
		return nil
	}
	made, ok := reflect.Zero(ptr).Interface().(interface{ Violations() []Violation })
	if !ok {
		return nil
	}
	out := reflect.ValueOf(made).MethodByName("GeneratedModel").Call(nil)
	if out[1].String() != Fingerprint(m.Type) {
		return &TagError{Type: m.Type.String(), Problem: "zz_lithair.go was generated from another state of this struct: run lithair gen"}
	}
	m.generated = true
	return nil
}

// Fingerprint is a short hash of what a struct type says about itself: fields, their types as
// far as they matter, and tags, those of structs inside too. It is the same for the type and
// for one that a tool has made from its source.
func Fingerprint(t reflect.Type) string {
	h := sha256.New()
	writeShape(h, t, 0)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

var plainTypes = map[reflect.Type]bool{
	timeType: true, reflect.TypeFor[time.Duration](): true, reflect.TypeFor[ID](): true, reflect.TypeFor[Blob](): true, reflect.TypeFor[binenc.Decimal](): true,
}

func writeShape(w io.Writer, t reflect.Type, depth int) {
	switch k := t.Kind(); {
	case depth > binenc.MaxDepth:
		fmt.Fprint(w, "...")
	case plainTypes[t]:
		fmt.Fprint(w, t)
	case k == reflect.Pointer, k == reflect.Slice:
		fmt.Fprintf(w, "%s ", k)
		writeShape(w, t.Elem(), depth+1)
	case k == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8:
		fmt.Fprint(w, "id")
	case (k == reflect.Struct || k == reflect.Array) && isText(t):
		fmt.Fprint(w, "text")
	case k == reflect.Array:
		fmt.Fprintf(w, "%d ", t.Len())
		writeShape(w, t.Elem(), depth+1)
	case k == reflect.Map:
		fmt.Fprint(w, "map ")
		writeShape(w, t.Key(), depth+1)
		writeShape(w, t.Elem(), depth+1)
	case k == reflect.Struct:
		fmt.Fprint(w, "{")
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name != "_" && !f.IsExported() && !(f.Anonymous && f.Type.Kind() == reflect.Struct) {
				continue
			}
			name := f.Name
			if f.Anonymous {
				name = "embedded"
			}
			fmt.Fprintf(w, "%s %q ", name, string(f.Tag))
			if f.Name != "_" {
				writeShape(w, f.Type, depth+1)
			}
		}
		fmt.Fprint(w, "}")
	default:
		fmt.Fprint(w, k)
	}
}

// isText says that a struct or array is stored by its text.
func isText(t reflect.Type) bool {
	ptr := reflect.PointerTo(t)
	return ptr.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()) &&
		ptr.Implements(reflect.TypeFor[interface{ UnmarshalText([]byte) error }]())
}
