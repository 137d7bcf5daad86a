package model

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustModel[T any](t *testing.T) *Model {
	t.Helper()
	m, err := Of(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTextRules(t *testing.T) {
	for _, c := range []struct {
		rule      string
		good, bad []string
	}{
		{"email", []string{"a@b.org", "first.last+tag@sub.example.com", "é@exämple.org", strings.Repeat("l", 64) + "@b.org"},
			[]string{"", "a", "a@", "@b.org", "a@b", "a b@c.org", "a@b..org", "a@.org", "a@b.org.", ".a@b.org", "a@b.org\n", "Ann <a@b.org>", "a@b.org, c@d.org", strings.Repeat("l", 65) + "@b.org", "a@" + strings.Repeat("d.", 130) + "org"}},
		{"url", []string{"http://a", "https://a.b/c?d=e#f", "https://[::1]:8080/"},
			[]string{"", "a.b", "/path", "ftp://a", "javascript:alert(1)", "http://", "http:///path", "https://a b", "http://a\n"}},
		{"uuid", []string{"01890a5d-ac96-774b-bcce-b302099a8057", "01890A5D-AC96-774B-BCCE-B302099A8057"},
			[]string{"", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}", "01890a5d-ac96-774b-bcce-b302099a805", "01890a5d-ac96-774b-bcce-b302099a805g"}},
	} {
		v, err := parseValidator(c.rule, &Field{GoType: reflect.TypeFor[string]()})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.good {
			if msg := v.check(reflect.ValueOf(s)); msg != "" {
				t.Errorf("%s %q: %s", c.rule, s, msg)
			}
		}
		for _, s := range c.bad {
			if v.check(reflect.ValueOf(s)) == "" {
				t.Errorf("%s takes %q", c.rule, s)
			}
		}
	}
}

// TestNumberRules: bounds hold, and are compared in the field's own kind.
func TestNumberRules(t *testing.T) {
	type M struct {
		ID    ID
		Big   int64   `http:"validate=max(9007199254740992)"`
		Huge  uint64  `http:"validate=min(18446744073709551615)"`
		Float float64 `http:"validate=range(-0.5,1e3)"`
		Opt   *int    `http:"validate=range(1,5)"`
	}
	m := mustModel[M](t)
	six := 6
	fine := M{Huge: math.MaxUint64}
	for _, c := range []struct {
		name string
		set  func(*M)
		want string
	}{
		{"as it is", func(*M) {}, ""},
		{"2^53", func(m *M) { m.Big = 1 << 53 }, ""}, {"2^53+1", func(m *M) { m.Big = 1<<53 + 1 }, "Big"},
		{"max-1", func(m *M) { m.Huge-- }, "Huge"},
		{"low edge", func(m *M) { m.Float = -0.5 }, ""}, {"below", func(m *M) { m.Float = -0.6 }, "Float"}, {"above", func(m *M) { m.Float = 1000.1 }, "Float"},
		{"NaN", func(m *M) { m.Float = math.NaN() }, "Float"}, {"Inf", func(m *M) { m.Float = math.Inf(1) }, "Float"},
		{"optional, out", func(m *M) { m.Opt = &six }, "Opt"},
	} {
		v := fine
		c.set(&v)
		got := ""
		for _, x := range m.Validate(&v) {
			got += x.Field
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

type link struct {
	URL string `json:"url" http:"validate=url"`
}

func TestRulesInsideOfOtherTypes(t *testing.T) {
	type M struct {
		ID    ID                 `json:"id"`
		One   link               `json:"one"`
		Maybe *link              `json:"maybe"`
		List  []link             `json:"list"`
		Ptrs  []*link            `json:"ptrs"`
		Map   map[string]link    `json:"map"`
		Deep  map[string][]*link `json:"deep"`
	}
	m := mustModel[M](t)
	good, bad := link{"http://a"}, link{"no"}
	if v := m.Validate(&M{One: good, Ptrs: []*link{nil, &good}, Map: map[string]link{"k": good}}); v != nil {
		t.Errorf("good: %+v", v)
	}
	var at []string
	for _, v := range m.Validate(&M{One: bad, Maybe: &bad, List: []link{good, bad}, Ptrs: []*link{nil, &bad},
		Map: map[string]link{"b": bad, "a/~": bad, "c": good}, Deep: map[string][]*link{"k": {&good, &bad}}}) {
		at = append(at, v.Pointer)
	}
	want := []string{"/one/url", "/maybe/url", "/list/1/url", "/ptrs/1/url", "/map/a~1~0/url", "/map/b/url", "/deep/k/1/url"}
	if !slices.Equal(at, want) {
		t.Errorf("got %q, want %q", at, want)
	}
}

type innerUnique struct {
	Name string `lithair:"unique"`
}

// TestBadTags: every mistake stops the start and names type, field, tag and what is right.
func TestBadTags(t *testing.T) {
	for name, c := range map[string]struct {
		typ  reflect.Type
		want []string
	}{
		"word": {reflect.TypeFor[struct {
			ID   ID
			Name string `lithair:"uniqe"`
		}](), []string{".Name: tag lithair", `unknown word "uniqe"`, `did you mean "unique"?`, "allowed: primary_key, unique"}},
		"rule": {reflect.TypeFor[struct {
			ID   ID
			Name string `http:"validate=emial"`
		}](), []string{".Name: tag http", `did you mean "email"?`, "allowed: email, url"}},
		"later": {reflect.TypeFor[struct {
			ID   ID
			Name string `perm:"read=admin"`
		}](), []string{".Name: tag perm", "not enforced by this release"}},
		"open": {reflect.TypeFor[struct {
			ID   ID
			Name string `http:"validate=length(1,2"`
		}](), []string{"open quote or parenthesis"}},
		"order": {reflect.TypeFor[struct {
			ID   ID
			Name string `http:"validate=length(3,2)"`
		}](), []string{"the smaller first"}},
		"regex": {reflect.TypeFor[struct {
			ID   ID
			Name string `http:"validate=regex(\"(\")"`
		}](), []string{"regex", "missing closing"}},
		"kind of rule": {reflect.TypeFor[struct {
			ID ID
			N  int `http:"validate=email"`
		}](), []string{"email is for strings, not for int"}},
		"bound": {reflect.TypeFor[struct {
			ID ID
			N  uint8 `http:"validate=min(-1)"`
		}](), []string{"-1"}},
		"two keys": {reflect.TypeFor[struct {
			A int `lithair:"primary_key"`
			B int `lithair:"primary_key"`
		}](), []string{"a second primary key beside A"}},
		"no key":    {reflect.TypeFor[struct{ Name string }](), []string{"no primary key", `lithair:"primary_key"`}},
		"float key": {reflect.TypeFor[struct{ ID float64 }](), []string{"no primary key"}},
		"reserved": {reflect.TypeFor[struct {
			ID   ID
			Take int `json:"take"`
		}](), []string{".Take: tag json", "take is reserved"}},
		"same name": {reflect.TypeFor[struct {
			ID ID
			A  int
			B  int `json:"A"`
		}](), []string{".B: tag json", "taken by A"}},
		"list index": {reflect.TypeFor[struct {
			ID ID
			L  []string `lithair:"indexed"`
		}](), []string{"a list cannot be indexed"}},
		"set_null": {reflect.TypeFor[struct {
			ID ID
			A  string `lithair:"fk=M,on_delete=set_null"`
		}](), []string{"needs an optional field"}},
		"on_delete": {reflect.TypeFor[struct {
			ID ID
			A  string `lithair:"fk=M,on_delete=cascde"`
		}](), []string{"on_delete=cascde", `did you mean "cascade"?`}},
		"inside": {reflect.TypeFor[struct {
			ID ID
			In innerUnique
		}](), []string{"innerUnique.Name: tag unique", "not for those of a struct inside"}},
		"inside a map": {reflect.TypeFor[struct {
			ID ID
			In map[string][]innerUnique
		}](), []string{"innerUnique.Name: tag unique"}},
	} {
		m := &Model{Name: "M", Type: c.typ}
		var errs []error
		m.collect(c.typ, nil, &errs)
		if len(errs) == 0 {
			m.findPrimary(&errs)
			m.checkNames(&errs)
		}
		text := ""
		for _, err := range errs {
			text += err.Error() + "\n"
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in %q", name, want, text)
			}
		}
	}
}

// TestEveryMistakeIsReportedAtOnce spares a user one start for each.
func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	type M struct {
		ID   ID
		Name string `lithair:"uniqe"`
		Mail string `http:"validate=emial"`
	}
	_, err := Of(reflect.TypeFor[M]())
	if err == nil || !strings.Contains(err.Error(), "M.Name") || !strings.Contains(err.Error(), "M.Mail") {
		t.Error(err)
	}
}
