package model

import (
	"errors"
	"testing"
	"time"
)

type refusing struct{ Bad bool }

func (r refusing) MarshalText() ([]byte, error) {
	if r.Bad {
		return nil, errors.New("not this one")
	}
	return []byte("fine"), nil
}

func (r *refusing) UnmarshalText([]byte) error { return nil }

// What the format cannot hold is named by field and pointer, wherever it lies.
func TestViolationsOfTheStoredForm(t *testing.T) {
	type place struct {
		City  string    `json:"city/town"`
		Since time.Time `json:"since"`
	}
	type M struct {
		ID     ID                   `json:"id"`
		At     time.Time            `json:"moment"`
		Maybe  *time.Time           `json:"maybe"`
		Tags   []string             `json:"tags"`
		Places []place              `json:"places"`
		Names  map[string]string    `json:"names"`
		Times  map[string]time.Time `json:"times"`
		Own    refusing             `json:"own"`
		Inside place                `json:"inside"`
	}
	m := mustModel[M](t)
	s, _, err := m.Evolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Bind(s)
	if err != nil {
		t.Fatal(err)
	}
	late := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))
	for _, x := range []struct {
		m             M
		pointer, code string
	}{
		{M{At: late}, "/moment", "range"},
		{M{Maybe: &late}, "/maybe", "range"},
		{M{At: time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))}, "/moment", "range"},
		{M{Tags: []string{"a", "b\xff"}}, "/tags/1", "utf8"},
		{M{Places: []place{{}, {}, {City: "\x80"}}}, "/places/2/city~1town", "utf8"},
		{M{Places: []place{{Since: late}}}, "/places/0/since", "range"},
		{M{Names: map[string]string{"k": "\xff"}}, "/names", "utf8"},
		{M{Names: map[string]string{"\xff": "v"}}, "/names", "utf8"},
		{M{Times: map[string]time.Time{"k": late}}, "/times", "range"},
		{M{Own: refusing{true}}, "/own", "format"},
		{M{Inside: place{Since: late}}, "/inside/since", "range"},
	} {
		_, err := c.Append(nil, &x.m)
		v, ok := c.Violation(err)
		if !ok || v.Pointer != x.pointer || v.Code != x.code || v.Message == "" || v.Field == "" {
			t.Errorf("%v: %+v %t, want %s %s", err, v, ok, x.pointer, x.code)
		}
	}
	if _, err := c.Append(nil, &M{At: late.Add(-time.Hour)}); err != nil {
		t.Error(err)
	}
	for _, err := range []error{nil, errors.New("disk")} {
		if v, ok := c.Violation(err); ok {
			t.Errorf("%v is %+v", err, v)
		}
	}
}
