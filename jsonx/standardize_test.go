package jsonx

import "testing"

func TestStandardize(t *testing.T) {
	for _, c := range [][2]string{
		{`{"a":1}`, `{"a":1}`},
		{"{\"a\":1,// x\n}", "{\"a\":1     \n}"},
		{`[1,/* , */2,]`, `[1,       2 ]`},
		{`{"a//b":"/* c */,]"}`, `{"a//b":"/* c */,]"}`},
		{`["\\",1, ]`, `["\\",1  ]`},
	} {
		got, err := Standardize([]byte(c[0]))
		if err != nil || string(got) != c[1] {
			t.Errorf("%s: %s, %v, want %s", c[0], got, err, c[1])
		}
	}
	if _, err := Standardize([]byte("{\n /* x")); err == nil {
		t.Error("a comment without an end was taken")
	}
}
