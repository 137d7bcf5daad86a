package live_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/state"
)

// item is the model of the tests.
type item struct {
	ID   int64   `json:"id" lithair:"primary_key"`
	Kind string  `json:"kind" lithair:"indexed"`
	Rank int64   `json:"rank"`
	Tag  *string `json:"tag,omitempty"`
	Own  string  `json:"-"`
}

// items is item as package live wants it.
type items struct {
	m      *model.Model
	schema *model.Schema
	codec  *model.Codec
}

func newItems() *items {
	m, err := model.Of(reflect.TypeFor[item]())
	if err != nil {
		panic(err)
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		panic(err)
	}
	s.Number = 1
	codec, err := m.Bind(s)
	if err != nil {
		panic(err)
	}
	return &items{m, s, codec}
}

func (i *items) Name() string   { return "item" }
func (i *items) Number() uint32 { return 1 }
func (i *items) Ready() bool    { return true }
func (i *items) Query(_ *state.Root, pairs [][2]string, opt query.Options) (*query.Query, error) {
	return query.Parse(i.m, i.schema, pairs, opt)
}
func (i *items) Records(root *state.Root) query.Source[*state.Row] { return rest.Records(root, 1) }
func (i *items) JSON(row *state.Row) ([]byte, error) {
	if b, ok := row.Cached().([]byte); ok {
		return b, nil
	}
	var v item
	if err := i.codec.Decode(row.Bytes(), &v); err != nil {
		return nil, err
	}
	b, err := jsonx.Marshal(v)
	row.SetCached(b)
	return b, err
}
func (i *items) Rule(*state.Root, any) (*query.Query, error)            { return nil, nil }
func (i *items) Ruled() bool                                            { return false }
func (i *items) AppendEvent(dst []byte, _ *state.Event) ([]byte, error) { return dst, nil }
func (i *items) KeyText(key string) string                              { return i.codec.KeyText(key) }
func (i *items) ParseKey(text string) (string, error)                   { return i.codec.ParseKey(text) }

// world is a state under random writes, with every root it ever had.
type world struct {
	rnd   *rand.Rand
	items *items
	roots []*state.Root // by sequence, the first is 1
	ids   int
	spare int // of queries; 0: as many as by default
}

func newWorld(rnd *rand.Rand, ids int) *world {
	w := &world{rnd: rnd, items: newItems(), ids: ids}
	b := state.Empty().Begin()
	if err := b.Apply(1, state.Event{Model: state.SchemaModel, Kind: state.Created, Key: state.SchemaKey("item"), Fields: w.items.schema.Append(nil)}); err != nil {
		panic(err)
	}
	w.roots = []*state.Root{nil, b.Seal(1, 1)}
	return w
}

func (w *world) head() *state.Root { return w.roots[len(w.roots)-1] }

// write commits one transaction of a few changes.
func (w *world) write() {
	seq := uint64(len(w.roots))
	b := w.head().Begin()
	for range 1 + w.rnd.IntN(3) {
		id := int64(w.rnd.IntN(w.ids))
		key, err := w.items.codec.KeyOf(id)
		if err != nil {
			panic(err)
		}
		have := b.Get(1, key)
		if have != nil && w.rnd.IntN(4) == 0 {
			w.apply(b, seq, state.Event{Model: 1, Kind: state.Deleted, Key: key})
			continue
		}
		v := item{ID: id, Kind: string(rune('a' + w.rnd.IntN(4))), Rank: int64(w.rnd.IntN(12)), Own: fmt.Sprint(seq)}
		if w.rnd.IntN(2) == 0 {
			v.Tag = new(string)
			*v.Tag = string(rune('x' + w.rnd.IntN(3)))
		}
		if have != nil && w.rnd.IntN(3) == 0 { // nothing that is seen changes
			var old item
			if err := w.items.codec.Decode(have.Bytes(), &old); err != nil {
				panic(err)
			}
			own := v.Own
			v = old
			v.Own = own
		}
		rec, err := w.items.codec.Append(nil, &v)
		if err != nil {
			panic(err)
		}
		if have != nil {
			w.apply(b, seq, state.Event{Model: 1, Kind: state.Deleted, Key: key})
		}
		w.apply(b, seq, state.Event{Model: 1, Kind: state.Created, Key: key, Fields: rec})
	}
	w.roots = append(w.roots, b.Seal(seq, int64(seq)))
}

func (w *world) apply(b *state.Batch, seq uint64, ev state.Event) {
	if err := b.Apply(seq, ev); err != nil {
		panic(err)
	}
}

// question is a query as a client asks it.
func (w *world) question() string {
	r := w.rnd
	var parts []string
	pick := func(list ...string) { parts = append(parts, list[r.IntN(len(list))]) }
	for range r.IntN(3) {
		switch r.IntN(7) {
		case 0:
			pick("kind=a", "kind=b", "kind=!c")
		case 1:
			pick("kind=in(a,c)", "kind=in(b,c,d)", "id=in(1,2,3,4)")
		case 2:
			pick("rank=>3", "rank=>=6", "rank=<5", "rank=<=9")
		case 3:
			pick("tag=null", "tag=!null", "tag=x")
		case 4:
			pick("or=(kind=a,rank=>8)", "or=(tag=null,id=3)", "or=(kind=a,kind=b,tag=x)", "or=(rank=<2,rank=>9,rank=5)", "or=(kind=!a,id=2)", "or=(tag=y,id=>20,id=1)")
		case 5:
			pick("id=2", "id=>5", "id=<7")
		case 6:
			pick("tag=~x", "kind=~b")
		}
	}
	if r.IntN(3) > 0 {
		pick("sort=rank", "sort=-rank", "sort=kind,-rank", "sort=-id", "sort=tag")
	}
	if r.IntN(2) == 0 {
		pick("take=1", "take=3", "take=5", "take=0")
	}
	if r.IntN(3) == 0 {
		pick("skip=1", "skip=2", "skip=7")
	}
	if r.IntN(4) == 0 {
		pick("fields=rank", "fields=kind,id", "fields=tag")
	}
	return strings.Join(parts, "&")
}

func (w *world) query(text string) *live.Query {
	var pairs [][2]string
	for _, p := range strings.Split(text, "&") {
		if name, value, ok := strings.Cut(p, "="); ok {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	q, err := w.items.Query(w.head(), pairs, query.Options{})
	if err != nil {
		panic(err)
	}
	made := live.NewQuery(w.items, q)
	if w.spare > 0 {
		made.SetSpare(w.spare)
	}
	return made
}

// answer runs a question on a root as REST does: a slow and obvious version of what subscribers
// have. Rows are key, space, JSON.
func (w *world) answer(text string, root *state.Root) (rows []string) {
	var all []item
	for _, row := range root.Scan(1, state.Range{}) {
		var v item
		if err := w.items.codec.Decode(row.Bytes(), &v); err != nil {
			panic(err)
		}
		all = append(all, v)
	}
	skip, take := 0, 50
	var fields []string
	for _, p := range strings.Split(text, "&") {
		name, value, _ := strings.Cut(p, "=")
		switch name {
		case "":
		case "skip":
			fmt.Sscan(value, &skip)
		case "take":
			fmt.Sscan(value, &take)
		case "fields":
			fields = strings.Split(value, ",")
		case "sort":
			sortItems(all, strings.Split(value, ","))
		case "or":
			inner := strings.Split(strings.Trim(value, "()"), ",")
			all = slices.DeleteFunc(all, func(v item) bool {
				return !slices.ContainsFunc(inner, func(c string) bool {
					n, x, _ := strings.Cut(c, "=")
					return meets(&v, n, x)
				})
			})
		default:
			all = slices.DeleteFunc(all, func(v item) bool { return !meets(&v, name, value) })
		}
	}
	all = all[min(skip, len(all)):]
	all = all[:min(take, len(all))]
	for _, v := range all {
		b, err := jsonx.Marshal(v)
		if err != nil {
			panic(err)
		}
		if fields != nil {
			val, err := jsonx.Parse(b)
			if err != nil {
				panic(err)
			}
			for _, n := range []string{"id", "kind", "rank", "tag"} {
				if !slices.Contains(fields, n) {
					val.Delete(n)
				}
			}
			b = []byte(val.String())
		}
		canonical, err := jsonx.Canonicalize(nil, b)
		if err != nil {
			panic(err)
		}
		rows = append(rows, fmt.Sprintf("%d %s", v.ID, canonical))
	}
	return rows
}

func meets(v *item, name, value string) bool {
	text, null := "", false
	number := int64(0)
	numeric := true
	switch name {
	case "id":
		number = v.ID
	case "rank":
		number = v.Rank
	case "kind":
		text, numeric = v.Kind, false
	case "tag":
		if null = v.Tag == nil; !null {
			text = *v.Tag
		}
		numeric = false
	}
	equal := func(x string) bool {
		if x == "null" {
			return null
		}
		if numeric {
			return fmt.Sprint(number) == x
		}
		return !null && text == x
	}
	if list, ok := strings.CutPrefix(value, "in("); ok {
		return slices.ContainsFunc(strings.Split(strings.TrimSuffix(list, ")"), ","), equal)
	}
	for _, op := range []string{">=", "<=", ">", "<", "!", "~"} {
		x, ok := strings.CutPrefix(value, op)
		if !ok {
			continue
		}
		var n int64
		fmt.Sscan(x, &n)
		switch op {
		case ">=":
			return number >= n
		case "<=":
			return number <= n
		case ">":
			return number > n
		case "<":
			return number < n
		case "!":
			return !equal(x)
		}
		return !null && strings.Contains(text, x)
	}
	return equal(value)
}

func sortItems(all []item, by []string) {
	slices.SortStableFunc(all, func(a, b item) int {
		desc := false
		for _, name := range by {
			desc = strings.HasPrefix(name, "-")
			name = strings.TrimPrefix(name, "-")
			c := 0
			switch name {
			case "id":
				c = cmp.Compare(a.ID, b.ID)
			case "rank":
				c = cmp.Compare(a.Rank, b.Rank)
			case "kind":
				c = cmp.Compare(a.Kind, b.Kind)
			case "tag":
				c = compareTags(a.Tag, b.Tag)
			}
			if desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		c := cmp.Compare(a.ID, b.ID)
		if desc {
			c = -c
		}
		return c
	})
}

func compareTags(a, b *string) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return bytes.Compare([]byte(*a), []byte(*b))
}
