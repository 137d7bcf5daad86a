package rest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// ReadRule says which records of a model somebody may read. The zero ReadRule is that everybody
// may read all. It is set before requests come and does not change then.
type ReadRule struct {
	pairs  [][2]string
	exempt []string
}

// Set sets the rule to conditions as [query.Rule] takes them, in the form of a query string that
// need not be escaped but for "&", "%", "+" and "#": "or=(owner={id},team=in({roles}))". Claims are
// {id}, {roles} and {claims.NAME} of the principal. Who has one of the exempt roles reads
// everything. An error says what is wrong with the rule.
func (u *ReadRule) Set(m *model.Model, text string, exempt ...string) error {
	parsed := wire.ParseQuery(text)
	if parsed.Err != nil {
		return fmt.Errorf("rest: the read rule of %s: %w", m.Name, parsed.Err)
	}
	if len(parsed.Pairs) == 0 {
		return fmt.Errorf("rest: the read rule of %s has no condition", m.Name)
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		return err
	}
	if _, err := query.Rule(m, s, parsed.Pairs, claimsOf(Principal{})); err != nil {
		return fmt.Errorf("rest: the read rule of %s: %w", m.Name, err)
	}
	u.pairs, u.exempt = parsed.Pairs, exempt
	return nil
}

// of returns the rule for a principal on records of a schema; nil where it may read all.
func (u *ReadRule) of(p Principal, m *model.Model, s *model.Schema) (*query.Query, error) {
	if u == nil || len(u.pairs) == 0 || slices.ContainsFunc(p.Roles, func(role string) bool { return slices.Contains(u.exempt, role) }) {
		return nil, nil
	}
	return query.Rule(m, s, u.pairs, claimsOf(p))
}

// claimsOf names what a rule may ask of a principal. An empty text is no value: nobody is the
// owner of what has none.
func claimsOf(p Principal) query.Claims {
	return func(name string) ([]string, bool) {
		switch claim, own := strings.CutPrefix(name, "claims."); {
		case name == "id":
			return []string{p.ID}, true
		case name == "roles":
			return p.Roles, true
		case own && claim != "":
			return []string{p.Claims[claim]}, true
		}
		return nil, false
	}
}

// rule is what a principal may read of the collection's records, as they are declared in a state.
func (c *collection) rule(p Principal, s *model.Schema) (*query.Query, error) {
	return c.opt.Readable.of(p, c.t.Model(), s)
}

// hides says that a principal may not read a record.
func (c *collection) hides(p Principal, s *model.Schema, rec []byte) (bool, error) {
	rule, err := c.rule(p, s)
	return rule != nil && !rule.Match(rec), err
}

// readable finds a record that the principal may read: one that it may not is not there.
func (c *collection) readable(root *state.Root, p Principal, id string) (*state.Row, error) {
	row, err := c.find(root, id)
	if err != nil {
		return nil, err
	}
	hidden, err := c.hides(p, c.schemaAt(root), row.Bytes())
	if err == nil && hidden {
		err = c.missing(id)
	}
	return row, err
}
