package model

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/jsonx"
)

// ReviewFile is the name a review has in a repository.
const ReviewFile = "lithair.schema.json"

// MaxReviewBytes bounds the text of a review.
const MaxReviewBytes = 16 << 20

// Review is the copy of all schemas that stands in a repository, to be read with each change of
// the source: it says which number each field has, and keeps two branches, or a program and
// a log, from giving one number to two fields. It is made by [Review.Next], and never by hand.
type Review struct {
	Format int             `json:"format"` // 1
	Models []ReviewedModel `json:"models"` // by name
}

// ReviewedModel is what a review says about a model.
type ReviewedModel struct {
	Model   string          `json:"model"`
	Removed bool            `json:"removed,omitempty"` // the program has it no more
	Fields  []ReviewedField `json:"fields"`            // by number
	Indexes []string        `json:"indexes,omitempty"` // those on several fields, or a part of the records
}

// ReviewedField is a field of a model, or of a message inside a field. Inside a message it has
// number, name and type alone.
type ReviewedField struct {
	Number   uint32       `json:"number"`
	Name     string       `json:"name"`
	Type     ReviewedType `json:"type"`
	Primary  bool         `json:"primary,omitempty"`
	Unique   bool         `json:"unique,omitempty"`
	Indexed  bool         `json:"indexed,omitempty"`
	FK       string       `json:"fk,omitempty"`
	OnDelete string       `json:"on_delete,omitempty"`
	Dropped  bool         `json:"dropped,omitempty"`
	Was      []string     `json:"was,omitempty"` // names it had before
}

// ReviewedType is binenc.Type with names for kinds.
type ReviewedType struct {
	Kind     string          `json:"kind"`
	Optional bool            `json:"optional,omitempty"`
	Elem     *ReviewedType   `json:"elem,omitempty"`
	Key      *ReviewedType   `json:"key,omitempty"`
	Fields   []ReviewedField `json:"fields,omitempty"`
}

// ParseReview reads the text of a review.
//
// Errors: text that is no review, of a newer format, or that gives a number twice.
func ParseReview(text []byte) (*Review, error) {
	if len(text) > MaxReviewBytes {
		return nil, fmt.Errorf("model: a review of %d bytes is over the limit of %d", len(text), MaxReviewBytes)
	}
	var r Review
	if err := jsonx.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("model: review: %w", err)
	}
	if r.Format != 1 {
		return nil, fmt.Errorf("model: review: format %d is unknown here, which reads format 1", r.Format)
	}
	seen := map[string]bool{}
	for i := range r.Models {
		m := &r.Models[i]
		if m.Model == "" || seen[m.Model] {
			return nil, fmt.Errorf("model: review: model %q stands there twice, or has no name", m.Model)
		}
		seen[m.Model] = true
		if _, err := m.schema(); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

// Text is the review as it is written to a file: the same bytes for the same schemas.
func (r *Review) Text() ([]byte, error) {
	line, err := jsonx.Marshal(r)
	if err != nil {
		return nil, err
	}
	text, err := jsonx.Indent(nil, line, "", "  ")
	return append(text, '\n'), err
}

// Find returns what the review says of a model; nil: nothing.
func (r *Review) Find(name string) *ReviewedModel {
	for i := range r.Models {
		if r.Models[i].Model == name {
			return &r.Models[i]
		}
	}
	return nil
}

// Next returns the review of a program that has these models, which takes the place of r; r
// may be nil. Models that are not logged, and those with names of the engine's own, are left out.
//
// Errors: *[EvolveError].
func (r *Review) Next(models []*Model) (*Review, error) {
	next := &Review{Format: 1, Models: []ReviewedModel{}}
	for _, m := range models {
		if m.MemoryOnly || Internal(m.Name) {
			continue
		}
		var was *ReviewedModel
		if r != nil {
			was = r.Find(m.Name)
		}
		now, err := was.evolve(m)
		if err != nil {
			return nil, err
		}
		next.Models = append(next.Models, *now)
	}
	if r != nil {
		for _, m := range r.Models {
			if next.Find(m.Model) == nil {
				m.Removed = true
				next.Models = append(next.Models, m)
			}
		}
	}
	slices.SortFunc(next.Models, func(a, b ReviewedModel) int { return strings.Compare(a.Model, b.Model) })
	return next, nil
}

// evolve is what the review says of a model when the struct is as it is now.
func (r *ReviewedModel) evolve(m *Model) (*ReviewedModel, error) {
	var old *Schema
	if r != nil {
		s, err := r.schema()
		if err != nil {
			return nil, err
		}
		old = s
	}
	s, _, err := m.Evolve(old)
	if err != nil {
		return nil, err
	}
	now := Reviewed(s)
	for i := range now.Fields {
		f := &now.Fields[i]
		if r == nil {
			break
		}
		if was := r.byNumber(f.Number); was != nil {
			f.Was = slices.Clone(was.Was)
			if was.Name != f.Name && !slices.Contains(f.Was, was.Name) {
				f.Was = append(f.Was, was.Name)
			}
		}
	}
	return &now, nil
}

// Reviewed is what a review says of a model with that schema.
func Reviewed(s *Schema) ReviewedModel {
	r := ReviewedModel{Model: s.Model, Fields: []ReviewedField{}}
	for i := range s.Fields {
		f := &s.Fields[i]
		r.Fields = append(r.Fields, ReviewedField{Number: f.Number, Name: f.Name, Type: reviewedType(&f.Type), Primary: f.Primary, Unique: f.Unique, Indexed: f.Indexed, FK: f.FK, OnDelete: f.OnDelete, Dropped: f.Dropped})
	}
	slices.SortFunc(r.Fields, func(a, b ReviewedField) int { return int(int64(a.Number) - int64(b.Number)) })
	for i := range s.Indexes {
		r.Indexes = append(r.Indexes, s.indexText(&s.Indexes[i]))
	}
	slices.Sort(r.Indexes)
	return r
}

// indexText is an index as a review has it.
func (s *Schema) indexText(x *Index) string {
	text := s.IndexName(x)
	if x.Unique {
		text = "unique " + text
	}
	for i, c := range x.Where {
		word := " and "
		if i == 0 {
			word = " where "
		}
		name, op := "?", "?"
		if f := s.ByNumber(c.Field); f != nil {
			name = f.Name
		}
		for _, o := range opWords {
			if o.op == c.Op {
				op = o.word
			}
		}
		text += fmt.Sprintf("%s%s%s%x", word, name, op, c.Key)
	}
	return text
}

func reviewedType(t *binenc.Type) ReviewedType {
	r := ReviewedType{Kind: t.Kind.String(), Optional: t.Optional}
	if t.Elem != nil {
		e := reviewedType(t.Elem)
		r.Elem = &e
	}
	if t.Key != nil {
		k := reviewedType(t.Key)
		r.Key = &k
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		r.Fields = append(r.Fields, ReviewedField{Number: f.Number, Name: f.Name, Type: reviewedType(&f.Type)})
	}
	return r
}

// maxReviewDepth bounds how deep a type may be nested.
const maxReviewDepth = 64

func (r *ReviewedType) plain(depth int) (t binenc.Type, err error) {
	if depth > maxReviewDepth {
		return t, fmt.Errorf("a type is nested more than %d deep", maxReviewDepth)
	}
	for k := binenc.KindBool; k <= binenc.KindDecimal; k++ {
		if k.String() == r.Kind {
			t.Kind = k
		}
	}
	if t.Kind == 0 || t.Kind == binenc.KindList && r.Elem == nil || t.Kind == binenc.KindMap && (r.Elem == nil || r.Key == nil) {
		return t, fmt.Errorf("%q is no type, or a part of it is missing", r.Kind)
	}
	t.Optional = r.Optional
	for _, p := range []struct {
		from *ReviewedType
		to   **binenc.Type
	}{{r.Elem, &t.Elem}, {r.Key, &t.Key}} {
		if p.from != nil {
			x, err := p.from.plain(depth + 1)
			if err != nil {
				return t, err
			}
			*p.to = &x
		}
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		x, err := f.Type.plain(depth + 1)
		if err != nil {
			return t, fmt.Errorf("%s: %w", f.Name, err)
		}
		for _, o := range t.Fields {
			if o.Number == f.Number || o.Name == f.Name {
				return t, fmt.Errorf("%s has number %d, and %s number %d: two branches gave them; keep one of the two and run schema apply again", f.Name, f.Number, o.Name, o.Number)
			}
		}
		t.Fields = append(t.Fields, binenc.Field{Number: f.Number, Name: f.Name, Type: x})
	}
	return t, nil
}

// schema is the review as a schema without indexes on several fields, which are made anew from
// the struct.
func (r *ReviewedModel) schema() (*Schema, error) {
	s := &Schema{Model: r.Model}
	seen := map[uint32]string{}
	for i := range r.Fields {
		f := &r.Fields[i]
		t, err := f.Type.plain(0)
		if err != nil {
			return nil, fmt.Errorf("model: review: %s.%s: %w", r.Model, f.Name, err)
		}
		if other, twice := seen[f.Number]; twice || f.Number == 0 {
			return nil, fmt.Errorf("model: review: %s.%s has number %d, as %q has: two branches gave it; keep one of the two and run schema apply again", r.Model, f.Name, f.Number, other)
		}
		seen[f.Number] = f.Name
		s.Fields = append(s.Fields, SchemaField{Number: f.Number, Name: f.Name, Type: t, Primary: f.Primary, Unique: f.Unique, Indexed: f.Indexed, FK: f.FK, OnDelete: f.OnDelete, Dropped: f.Dropped})
	}
	return s, nil
}

func (r *ReviewedModel) byNumber(n uint32) *ReviewedField {
	for i := range r.Fields {
		if r.Fields[i].Number == n {
			return &r.Fields[i]
		}
	}
	return nil
}

// ReviewError is a field, or a model, about which program, review and log disagree.
type ReviewError struct {
	Model, Field string // Field is empty when it is the whole model
	Problem      string
}

// Error names model and field, and says what to do.
func (e *ReviewError) Error() string {
	at := e.Model
	if e.Field != "" {
		at += "." + e.Field
	}
	return fmt.Sprintf("model: %s: %s", at, e.Problem)
}

// Check holds a program against the review: it says which models and fields differ from what
// was reviewed.
//
// Errors: *[ReviewError], one for each; *[EvolveError].
func (r *Review) Check(models []*Model) error {
	next, err := r.Next(models)
	if err != nil {
		return err
	}
	for i := range next.Models {
		now := &next.Models[i]
		was := r.Find(now.Model)
		if was == nil {
			return &ReviewError{now.Model, "", "the program has this model and " + ReviewFile + " does not; run lithair schema apply"}
		}
		for _, c := range Compare(was, now) {
			return &ReviewError{c.Model, c.Field, "the program is not as reviewed: " + c.What + "; run lithair schema diff, then schema apply"}
		}
		if a, b := reviewText(was), reviewText(now); !bytes.Equal(a, b) {
			return &ReviewError{now.Model, "", "the program is not as reviewed; run lithair schema diff, then schema apply"}
		}
	}
	return nil
}

func reviewText(m *ReviewedModel) []byte {
	text, err := jsonx.Marshal(m)
	if err != nil {
		panic("model: " + err.Error()) // names and numbers
	}
	return text
}

// Base returns the schema that the struct is to be evolved from, given the one in the log (nil:
// the log has none): that with the fields, and their numbers, that were reviewed and are not in
// the log yet.
//
// Errors: *[ReviewError] when the log gave a number to another field, or has one that was not reviewed.
func (r *ReviewedModel) Base(log *Schema) (*Schema, error) {
	base, err := r.schema()
	if err != nil || log == nil {
		return base, err
	}
	for i := range log.Fields {
		f := &log.Fields[i]
		was, at := r.byNumber(f.Number), base.ByNumber(f.Number)
		switch {
		case was == nil:
			return nil, &ReviewError{r.Model, f.Name, fmt.Sprintf("the log has this field, with number %d, and %s has not: the log was written by a newer program, or another branch", f.Number, ReviewFile)}
		case was.Name != f.Name && !slices.Contains(was.Was, f.Name):
			return nil, &ReviewError{r.Model, f.Name, fmt.Sprintf("number %d is this field in the log, and %s in %s: the two were numbered apart from each other; run lithair schema apply -from-log, which takes the numbers of the log", f.Number, was.Name, ReviewFile)}
		case !within(&f.Type, &at.Type):
			return nil, &ReviewError{r.Model, f.Name, fmt.Sprintf("the log has it as %s, and %s as %s, or with other numbers inside", f.Type.String(), ReviewFile, at.Type.String())}
		}
	}
	base.Number, base.Version, base.Indexes = log.Number, log.Version, log.Indexes
	return base, nil
}

// Fits says where a log with these schemas disagrees with the review.
//
// Errors: *[ReviewError].
func (r *Review) Fits(log []*Schema) error {
	for _, s := range log {
		if m := r.Find(s.Model); m != nil {
			if _, err := m.Base(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// Internal says that a model of that name is the engine's own.
func Internal(name string) bool { return strings.HasPrefix(name, "_") }

// within says whether values of a type are values of another one with more fields.
func within(old, now *binenc.Type) bool {
	if old == nil || now == nil {
		return old == now
	}
	if old.Kind != now.Kind || old.Optional != now.Optional || !within(old.Elem, now.Elem) || !within(old.Key, now.Key) {
		return false
	}
	for i := range old.Fields {
		f := &old.Fields[i]
		j := slices.IndexFunc(now.Fields, func(g binenc.Field) bool { return g.Number == f.Number && g.Name == f.Name })
		if j < 0 || !within(&f.Type, &now.Fields[j].Type) {
			return false
		}
	}
	return true
}

// EvolveReviewed is Evolve with the numbers of a review; with a nil review it is Evolve.
//
// Errors: those of Evolve and [ReviewedModel.Base].
func (m *Model) EvolveReviewed(log *Schema, r *ReviewedModel) (next *Schema, changed bool, err error) {
	if r == nil {
		return m.Evolve(log)
	}
	base, err := r.Base(log)
	if err != nil {
		return nil, false, err
	}
	if next, _, err = m.Evolve(base); err != nil {
		return nil, false, err
	}
	if log == nil {
		next.Version = 1
		return next, true, nil
	}
	next.Version = log.Version
	if changed = !bytes.Equal(log.Append(nil), next.Append(nil)); changed {
		next.Version++
	}
	return next, changed, nil
}
