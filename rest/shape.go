package rest

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
)

// shape turns records into what clients see and back. Without hidden fields that is the
// model's type itself; with them, a struct type that lacks them.
type shape struct {
	m     *model.Model
	outer reflect.Type   // nil: the model's own type
	index []*model.Field // of the fields of outer
}

func newShape(m *model.Model) *shape {
	s := &shape{m: m}
	for _, f := range m.Fields {
		if f.JSON != "" && !f.Hidden {
			s.index = append(s.index, f)
		}
	}
	hidden := false
	for _, f := range m.Fields {
		hidden = hidden || f.Hidden
	}
	if hidden {
		s.outer = s.structOf()
	}
	return s
}

// structOf makes the type without hidden fields. Names of its fields do not matter: their
// tags name the members.
func (s *shape) structOf() reflect.Type {
	fields := make([]reflect.StructField, len(s.index))
	for i, f := range s.index {
		own := s.m.Type.FieldByIndex(f.Index)
		_, opts, _ := strings.Cut(own.Tag.Get("json"), ",")
		fields[i] = reflect.StructField{Name: "F" + strconv.Itoa(i), Type: own.Type, Tag: reflect.StructTag(fmt.Sprintf("json:%q", f.JSON+","+opts))}
	}
	return reflect.StructOf(fields)
}

// append appends the JSON of *ptr.
func (s *shape) append(dst []byte, ptr any) ([]byte, error) {
	if s.outer == nil {
		return jsonx.Append(dst, ptr)
	}
	v := reflect.New(s.outer)
	for i, f := range s.index {
		v.Elem().Field(i).Set(s.m.FieldValue(ptr, f))
	}
	return jsonx.Append(dst, v.Interface())
}

// appendFields appends an object with the members named alone.
func (s *shape) appendFields(dst []byte, ptr any, names []string) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, n := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonx.AppendString(dst, n), ':')
		if dst, err = jsonx.Append(dst, s.m.FieldValue(ptr, s.m.FieldByName(n)).Interface()); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// decode reads a whole record from JSON into *ptr: members that are absent become zero,
// hidden fields stay as they are. Unknown members are refused by name. at is the pointer
// of data in the body.
func (s *shape) decode(data []byte, ptr any, at string) error {
	v := reflect.New(s.m.Type)
	if s.outer != nil {
		v = reflect.New(s.outer)
	}
	if err := jsonx.Unmarshal(data, v.Interface(), jsonx.RejectUnknownMembers()); err != nil {
		return s.inputError(err, at)
	}
	if len(data) > 0 && trimmed(data)[0] != '{' {
		return fault(CodeWrongType, "want an object", Item{Pointer: at, Code: "type", Message: "must be an object"})
	}
	for i, f := range s.index {
		from := v.Elem()
		if s.outer != nil {
			from = from.Field(i)
		} else {
			from = from.FieldByIndex(f.Index)
		}
		s.m.FieldValue(ptr, f).Set(from)
	}
	return nil
}

func trimmed(b []byte) []byte {
	for len(b) > 1 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// inputError names an unknown member with what was probably meant.
func (s *shape) inputError(err error, at string) error {
	var e *jsonx.UnmarshalError
	if !errors.As(err, &e) || e.Unknown == "" {
		return toError(err, at)
	}
	message := "is not a field of " + s.m.Name
	if near := model.Nearest(e.Unknown, query.Visible(s.m)); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	pointer := e.Pointer
	if topField(pointer) != e.Unknown && !strings.HasSuffix(pointer, "/"+escape(e.Unknown)) {
		pointer += "/" + escape(e.Unknown)
	}
	detail := fmt.Sprintf("%q %s", e.Unknown, message)
	if at == "" {
		detail = fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, detail)
	}
	out := fault(CodeUnknownField, detail, Item{Field: e.Unknown, Pointer: at + pointer, Code: "unknown", Message: message})
	out.Err = err
	return out
}
