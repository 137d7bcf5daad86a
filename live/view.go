package live

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
)

// Model is what is to be known about a model. Its methods are called at once by many
// goroutines.
type Model interface {
	Name() string
	Number() uint32 // in the log
	Ready() bool    // false: nothing else may be asked yet

	// Query reads a list query in the grammar of package query. Errors are *query.Error.
	Query(root *state.Root, pairs [][2]string, opt query.Options) (*query.Query, error)
	Records(root *state.Root) query.Source[*state.Row]

	// Rule returns which records of a state somebody may read, Principal.Value; nil: all of them.
	Rule(root *state.Root, who any) (*query.Query, error)
	Ruled() bool // Rule may be something else than nil

	// JSON returns what clients may see of a record: an object without white space, that is
	// not changed.
	JSON(row *state.Row) ([]byte, error)
	// AppendEvent appends what clients may see of an event of this model.
	AppendEvent(dst []byte, ev *state.Event) ([]byte, error)
	KeyText(key string) string
	ParseKey(text string) (string, error)
}

// Query is a list query of a model, for any number of subscriptions.
type Query struct {
	model  Model
	query  *query.Query
	id     string
	fields [][]byte // quoted; nil: all
	rule   string   // what limits it to what somebody may read; "": nothing
	spare  int      // records held behind those that are seen, so that most deletes need no look at others
}

// NewQuery prepares a query.
func NewQuery(m Model, q *query.Query) *Query {
	made := &Query{model: m, query: q, id: m.Name() + "?" + q.ID()}
	made.spare = max(16, made.end()/4)
	for _, name := range q.Fields {
		made.fields = append(made.fields, jsonx.AppendString(nil, name))
	}
	return made
}

// end is how many records from the first on the query reaches.
func (q *Query) end() int { return q.query.Skip + q.query.Take }

// reach is how many records are held of a view.
func (q *Query) reach() int { return q.end() + q.spare }

// entry is a record of a view. It does not change.
type entry struct {
	order string // what it sorts by, among all entries of the query
	key   string
	row   *state.Row
	json  []byte // what clients see of it; nil where nobody sees it
	hash  Hash   // of that
}

// view is what a query finds in a state: the first records in its order, and which of them are
// seen. It does not change.
type view struct {
	held     []*entry // ascending by order
	seen     []*entry // part of held; with json
	total    int      // records that meet the conditions
	complete bool     // all of them are held
	bound    string   // else all are whose order is at most this
	hash     Hash     // of seen
}

// look runs the query on a state.
func (q *Query) look(root *state.Root) (*view, error) {
	run := *q.query
	run.Skip, run.Take = 0, q.reach()
	page, err := query.Run(&run, q.model.Records(root))
	if err != nil {
		return nil, err
	}
	v := &view{total: page.Total, complete: !page.HasMore, held: make([]*entry, len(page.Keys))}
	for i, key := range page.Keys {
		if v.held[i], err = q.entry(key, page.Rows[i]); err != nil {
			return nil, err
		}
	}
	v.limit()
	return v, q.show(v)
}

func (q *Query) entry(key string, row *state.Row) (*entry, error) {
	order, err := q.query.Order(nil, row.Bytes(), key)
	return &entry{order: string(order), key: key, row: row}, err
}

// limit notes how far a view that does not hold everything goes.
func (v *view) limit() {
	if n := len(v.held); !v.complete && n > 0 {
		v.bound = v.held[n-1].order
	}
}

// show sets which records are seen, and their JSON.
func (q *Query) show(v *view) error {
	from, to := min(q.query.Skip, len(v.held)), min(q.end(), len(v.held))
	v.seen = v.held[from:to:to]
	v.hash = Hash{}
	for i, e := range v.seen {
		if e.json == nil {
			made, err := q.render(e)
			if err != nil {
				return err
			}
			v.seen[i], e = made, made
		}
		v.hash = v.hash.Plus(e.hash)
	}
	return nil
}

// render returns the entry with its JSON.
func (q *Query) render(e *entry) (*entry, error) {
	made := *e
	var err error
	if made.json, err = q.model.JSON(e.row); err != nil {
		return nil, fmt.Errorf("live: %s %s: %w", q.model.Name(), q.model.KeyText(e.key), err)
	}
	if q.fields != nil {
		made.json = narrow(nil, made.json, q.fields)
	}
	canonical, err := jsonx.Canonicalize(nil, made.json)
	if err != nil {
		return nil, fmt.Errorf("live: %s %s: %w", q.model.Name(), q.model.KeyText(e.key), err)
	}
	made.hash = HashRow(q.model.KeyText(e.key), canonical)
	return &made, nil
}

// touch is a record that changed, and that met the conditions before, or does now.
type touch struct {
	key      string
	old, new *state.Row // nil where it did not, or does not
}

// match returns what a change is to the query; ok is false when it is nothing.
func (q *Query) match(c *state.Change) (t touch, ok bool) {
	t.key = c.Key
	if c.Old != nil && q.query.Match(c.Old.Bytes()) {
		t.old = c.Old
	}
	if c.New != nil && q.query.Match(c.New.Bytes()) {
		t.new = c.New
	}
	return t, t.old != nil || t.new != nil
}

// next returns the view of a state that differs from the view's by these records. The cost is
// that of sorting what changed and one pass over what is held.
func (q *Query) next(v *view, touched []touch, root *state.Root) (*view, error) {
	n := &view{total: v.total, complete: v.complete, bound: v.bound}
	var gone, come []*entry
	for i := range touched {
		t := &touched[i]
		if t.old != nil {
			e, err := q.entry(t.key, t.old)
			if err != nil {
				return nil, err
			}
			n.total--
			gone = append(gone, e)
		}
		if t.new != nil {
			e, err := q.entry(t.key, t.new)
			if err != nil {
				return nil, err
			}
			n.total++
			if n.complete || e.order <= n.bound {
				come = append(come, e)
			}
		}
	}
	n.held = merge(v.held, gone, come)
	if reach := q.reach(); len(n.held) > reach {
		n.held, n.complete = n.held[:reach:reach], false
		n.limit()
	}
	n.complete = n.complete || n.total == len(n.held)
	if !n.complete && len(n.held) < q.end() {
		return q.look(root)
	}
	return n, q.show(n)
}

func byOrder(a, b *entry) int { return strings.Compare(a.order, b.order) }

// merge returns what is held without what is gone and with what has come, in order.
func merge(held, gone, come []*entry) []*entry {
	slices.SortFunc(gone, byOrder)
	slices.SortFunc(come, byOrder)
	all := make([]*entry, 0, len(held)+len(come))
	for _, e := range held {
		for len(gone) > 0 && gone[0].order < e.order {
			gone = gone[1:]
		}
		if len(gone) > 0 && gone[0].order == e.order {
			continue
		}
		for len(come) > 0 && come[0].order < e.order {
			all, come = append(all, come[0]), come[1:]
		}
		all = append(all, e)
	}
	return append(all, come...)
}
