package gen

import (
	"strings"
	"testing"
)

// TestCustomEvents: members for types with Apply(*Model) error and for no others, and none that the package
// declares itself.
func TestCustomEvents(t *testing.T) {
	const tail = "\n\nfunc (Published) Apply(a *Article) error { return nil }\n"
	source := "package p\n\nimport lithair \"github.com/lithair/lithair-go\"\n\n//lithair:model\ntype Article struct {\n\tEvent lithair.ID `json:\"event\" lithair:\"primary_key\"`\n}\n\ntype Published struct{}" + tail
	generated := func(source string) string {
		t.Helper()
		p, err := load(t, source)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Generate(p)
		if err != nil || len(out.Mistakes) > 0 {
			t.Fatal(out.Mistakes, err)
		}
		return string(out.Source)
	}
	const emit, on = "func (c *Articles) EmitPublished(tx *lithair.Tx, event lithair.ID, said Published) error {", "func (c *Articles) OnPublished(name string, fn func(ctx context.Context, e lithair.Event[Article], event Published) error) {"
	for _, c := range []struct {
		what, source string
		emit, on     bool
	}{
		{"an event", source, true, true},
		{"emitted by a method of its own", source + "\nfunc (c *Articles) EmitPublished(n int) {}\n", false, true},
		{"heard by a method of its own", source + "\nfunc (c Articles) OnPublished() {}\n", true, false},
		{"of another struct", strings.Replace(source, "a *Article", "a *Published", 1), false, false},
		{"of a value", strings.Replace(source, "a *Article", "a Article", 1), false, false},
		{"of two", strings.Replace(source, "a *Article", "a, b *Article", 1), false, false},
		{"without an error", strings.Replace(source, "error { return nil }", "{}", 1), false, false},
		{"with another result", strings.Replace(source, "error { return nil }", "bool { return true }", 1), false, false},
		{"a function", strings.Replace(source, "func (Published) ", "func ", 1), false, false},
		{"with another name", strings.Replace(source, ") Apply(", ") Change(", 1), false, false},
	} {
		got := generated(c.source)
		if strings.Contains(got, emit) != c.emit || strings.Contains(got, on) != c.on {
			t.Errorf("%s: EmitPublished %v, want %v; OnPublished %v, want %v", c.what, strings.Contains(got, emit), c.emit, strings.Contains(got, on), c.on)
		}
	}
	got := generated(source + "\ntype published struct{}\n\nfunc (published) Apply(a *Article) error { return nil }\n")
	for _, want := range []string{"EmitPublished(", "EmitPublishedEvent(", "OnPublished(", "OnPublishedEvent("} {
		if strings.Count(got, ") "+want) != 1 {
			t.Errorf("of two types whose names differ in their first letter, %s is there %d times", want, strings.Count(got, ") "+want))
		}
	}
}
