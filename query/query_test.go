package query_test

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
)

type item struct {
	ID     uint64     `json:"id" lithair:"primary_key"`
	Slug   string     `json:"slug" lithair:"unique"`
	Title  string     `json:"title"`
	Price  int        `json:"price" lithair:"indexed"`
	Rating *float64   `json:"rating" lithair:"indexed"`
	Live   bool       `json:"live"`
	Made   time.Time  `json:"made" lithair:"indexed"`
	Gone   *time.Time `json:"gone"`
	Tags   []string   `json:"tags"`
	Secret string     `json:"secret" http:"hidden"`

	_ struct{} `lithair:"index=price+made,index=live+rating+title,unique=gone+slug"`
	_ struct{} `lithair:"index=made where live=true,index=title+price where gone!=null and price>0"`
}

// record and table are a source made of sorted slices.
type record []byte

func (r record) Bytes() []byte { return r }

type table struct {
	t      testing.TB
	m      *model.Model
	s      *model.Schema
	keys   []string // ascending
	rows   map[string]record
	values []item // in order of keys
}

func newTable(t testing.TB, items []item) *table {
	m, err := model.Of(reflect.TypeFor[item]())
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Bind(s)
	if err != nil {
		t.Fatal(err)
	}
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.ID, b.ID) })
	tb := &table{t: t, m: m, s: s, rows: map[string]record{}, values: items}
	for i := range items {
		key, err := c.Key(&items[i])
		if err != nil {
			t.Fatal(err)
		}
		rec, err := c.Append(nil, &items[i])
		if err != nil {
			t.Fatal(err)
		}
		tb.keys = append(tb.keys, key)
		tb.rows[key] = rec
	}
	return tb
}

func (tb *table) Len() int { return len(tb.keys) }
func (tb *table) Get(key string) (record, bool) {
	r, ok := tb.rows[key]
	return r, ok
}

type pair struct{ at, key string }

func cut(all []pair, r query.Range) []pair {
	all = slices.DeleteFunc(all, func(p pair) bool { return p.at < r.From || r.To != "" && p.at >= r.To })
	if r.Reverse {
		slices.Reverse(all)
	}
	return all[min(r.Skip, len(all)):]
}

func (tb *table) index(number uint32) (all []pair) {
	indexes := tb.s.AllIndexes()
	x := &indexes[slices.IndexFunc(indexes, func(x model.Index) bool { return x.Number == number })]
	for _, key := range tb.keys {
		value := func(field uint32) (k []byte, absent bool) {
			f := tb.s.ByNumber(field)
			raw, _, ok := binenc.Lookup(tb.rows[key], field)
			k, err := binenc.AppendKeyRaw(nil, &f.Type, raw, ok)
			if err != nil {
				tb.t.Fatal(err)
			}
			return k, !ok && f.Type.Optional
		}
		at, in := "", true
		for _, f := range x.Fields {
			k, absent := value(f)
			at, in = at+string(k), in && !(absent && x.Unique)
		}
		for i := range x.Where {
			k, _ := value(x.Where[i].Field)
			in = in && x.Where[i].Holds(k)
		}
		if in {
			all = append(all, pair{at + key, key})
		}
	}
	slices.SortFunc(all, func(a, b pair) int { return strings.Compare(a.at, b.at) })
	return all
}

func (tb *table) seq(all []pair) iter.Seq2[string, record] {
	return func(yield func(string, record) bool) {
		for _, p := range all {
			if !yield(p.key, tb.rows[p.key]) {
				return
			}
		}
	}
}

func (tb *table) Scan(r query.Range) iter.Seq2[string, record] {
	var all []pair
	for _, k := range tb.keys {
		all = append(all, pair{k, k})
	}
	return tb.seq(cut(all, r))
}

func (tb *table) ScanIndex(index uint32, r query.Range) iter.Seq2[string, record] {
	return tb.seq(cut(tb.index(index), r))
}
func (tb *table) CountIndex(index uint32, r query.Range) int { return len(cut(tb.index(index), r)) }

func (tb *table) Unique(index uint32, value string) (string, bool) {
	for _, p := range tb.index(index) {
		if strings.TrimSuffix(p.at, p.key) == value {
			return p.key, true
		}
	}
	return "", false
}

func sample(n int, seed uint64) []item {
	rng := rand.New(rand.NewPCG(seed, 1))
	words := []string{"Ångström", "apple", "Banana", "null", "", "Zebra apple", "a\x00b"}
	out := make([]item, n)
	for i := range out {
		it := item{ID: uint64(i * 3), Slug: "s" + strconv.Itoa(i), Title: words[rng.IntN(len(words))], Price: rng.IntN(7) - 3, Live: rng.IntN(2) == 0,
			Made: time.Unix(int64(rng.IntN(5))*86400, 0).UTC()}
		if rng.IntN(3) > 0 {
			r := float64(rng.IntN(5)) / 2
			it.Rating = &r
		}
		if rng.IntN(2) > 0 {
			g := it.Made.Add(time.Hour)
			it.Gone = &g
		}
		out[i] = it
	}
	return out
}

func pairs(raw string) (out [][2]string) {
	for part := range strings.SplitSeq(raw, "&") {
		if name, value, _ := strings.Cut(part, "="); name != "" {
			out = append(out, [2]string{name, value})
		}
	}
	return out
}

// check runs a query both ways and compares.
func check(t testing.TB, tb *table, raw string) {
	t.Helper()
	q, err := query.Parse(tb.m, tb.s, pairs(raw), query.Options{DefaultTake: 10, MaxTake: 40})
	if err != nil {
		return
	}
	want := oracle(tb.values, pairs(raw))
	page, err := query.Run(q, tb)
	if err != nil {
		t.Fatal(err)
	}
	n, err := query.Count(q, tb)
	if err != nil || n != len(want) || page.Total != len(want) {
		t.Fatalf("%s (%s): total %d, count %d, %v; want %d", raw, query.Explain(q, tb), page.Total, n, err, len(want))
	}
	lo := min(q.Skip, len(want))
	hi := min(lo+q.Take, len(want))
	if page.HasMore != (q.Skip+hi-lo < len(want)) {
		t.Fatalf("%s: has more %v of %d", raw, page.HasMore, len(want))
	}
	if len(page.Keys) != hi-lo || len(page.Rows) != hi-lo {
		t.Fatalf("%s (%s): %d records, want %d", raw, query.Explain(q, tb), len(page.Keys), hi-lo)
	}
	for i, it := range want[lo:hi] {
		if id, _, err := binenc.DecodeKeyUint([]byte(page.Keys[i])); err != nil || id != it.ID {
			t.Fatalf("%s (%s): record %d is %d, %v; want %d", raw, query.Explain(q, tb), i, id, err, it.ID)
		}
		if string(page.Rows[i]) != string(tb.rows[page.Keys[i]]) || !q.Match(page.Rows[i]) {
			t.Fatalf("%s: record %d is not the one of its key, or does not match", raw, i)
		}
	}
}

func TestRunAgreesWithGoValues(t *testing.T) {
	tb := newTable(t, sample(120, 7))
	for _, raw := range []string{
		"", "skip=5&take=3", "skip=500", "take=0", "take=1000", "id=6", "id=7", "id=!6", "id=>30&id=<=90", "id=>=30&sort=-id&skip=2",
		"slug=s3", "slug=s3&live=true", "slug=nosuch", "slug=>s5", "sort=slug&skip=7", "sort=-slug", "title=apple", "title==~x", "title=~APPLE", "title=~ÅNG", "title=null",
		"title=~", "price=1", "price=!1", "price=>0&price=<2", "price=>2&price=<0", "price=>=-1&sort=price", "price=>=-1&sort=-price&skip=4", "price=1&sort=-id", "price=1&sort=price,-title",
		"price=1&rating=0.5", "sort=price", "sort=-price&skip=50", "sort=price,title", "sort=-title,price", "rating=null", "rating=!null", "rating=<1", "rating=>=1", "rating=!1", "sort=rating", "sort=-rating",
		"rating=null&sort=-rating", "live=true&sort=-made,title", "made=1970-01-03", "made=>1970-01-02T00:00:00Z", "gone=null", "gone=!null", "gone=<1970-01-03", "sort=gone", "sort=id,price", "sort=-id,price&price=1",
		"price=1&price=2", "id=6&price=1", "sort=-title&skip=60&take=40",
		"price=in(1)", "price=in(2,0,1,2)&sort=-price,title", "price=in(-1,2)&sort=id", "id=in(6,30,31,9999)", "id=in(6,30)&sort=-id", "slug=in(s3,nosuch,s5)", "slug=in(s3,s5)&live=true",
		"rating=in(null,0.5)", "rating=in(0.5,1)&sort=rating", "gone=in(null)", "gone=in(1970-01-03,null)&sort=-gone", "live=in(true,false)", `title=in(apple,"pear")`, `title=in("a,b","in(1)","\"")`, "title==in(1)",
		"price=1&sort=made", "price=1&sort=-made", "price=1&sort=made,-id", "price=1&made=>1970-01-02&sort=-made&skip=1", "sort=price,made", "sort=-price,-made,-id", "sort=price,made,-id", "sort=price,-made",
		"live=true&rating=null", "live=true&rating=null&sort=title", "live=true&rating=>0&sort=rating,title", "live=true&rating=1&title=apple&sort=-id", "live=true&sort=rating,title", "live=true&sort=live,rating,title&skip=3",
		"live=true&sort=-made", "live=in(true)&made=1970-01-02", "live=!true&sort=made", "live=!false&made=<1970-01-03", "gone=!null&price=>1&title=apple", "gone=!null&price=>0&sort=title,price", "gone=!null&price=>=1&title=>b&sort=-title,-price",
		"gone=>1970-01-01&price=2&title=apple", "gone=!null&price=in(1,2)&title=apple&sort=price", "gone=null&slug=s3", "gone=1970-01-02T01:00:00Z&sort=slug", "gone=1970-01-02T01:00:00Z&sort=-slug,title", "gone=!null&sort=gone,slug", "sort=gone,slug",
		"price=1&price=>0&made=1970-01-02", "price=1&price=2&sort=made", "live=true&live=false&rating=1",
		"or=(price=1,rating=null)", "or=(price=>1,live=true)&sort=-price&skip=3", "or=(id=6,slug=s3)", "price=1&or=(title=~pp,rating=<1)", "or=(price=in(0,2),title=~\"a\")", "or=(price=1)&or=(live=true,live=false)", `or=(title==~x,title="null")`,
	} {
		if _, err := query.Parse(tb.m, tb.s, pairs(raw), query.Options{}); err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		check(t, tb, raw)
	}
}

// Many random queries over indexes of every kind agree with a plain evaluation.
func TestRandomQueries(t *testing.T) {
	n := 4000
	if os.Getenv("LITHAIR_LONG") != "" {
		n = 100_000
	}
	rng := rand.New(rand.NewPCG(5, 5))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	conditions := []func() string{
		func() string { return "price=" + pick("", "!", ">", ">=", "<", "<=") + pick("-1", "0", "1", "2") },
		func() string { return "price=in(" + pick("0", "1,2", "-3,2") + ")" },
		func() string { return "live=" + pick("", "!") + pick("true", "false") },
		func() string { return "made=" + pick("", "!", ">", ">=", "<") + pick("1970-01-01", "1970-01-03") },
		func() string { return "rating=" + pick("null", "!null", "1", ">0.5", "<=1", "in(null,1)") },
		func() string { return "gone=" + pick("null", "!null", ">1970-01-02", "1970-01-02T01:00:00Z") },
		func() string { return "title=" + pick("apple", "!apple", ">b", "~pp") },
		func() string { return "slug=" + pick("s3", ">s2", "in(s1,s40)") },
		func() string { return "id=" + pick(">30", "<=90", "6") },
	}
	tb := newTable(t, sample(90, 12))
	served := map[string]int{}
	for range n {
		var parts, sorts []string
		for range rng.IntN(4) {
			parts = append(parts, conditions[rng.IntN(len(conditions))]())
		}
		names := []string{"price", "made", "live", "rating", "title", "gone", "slug", "id"}
		for _, i := range rng.Perm(len(names))[:rng.IntN(4)] {
			sorts = append(sorts, pick("", "", "-")+names[i])
		}
		if sorts != nil {
			parts = append(parts, "sort="+strings.Join(sorts, ","))
		}
		parts = append(parts, "skip="+pick("0", "0", "2", "15"))
		raw := strings.Join(parts, "&")
		check(t, tb, raw)
		q, err := query.Parse(tb.m, tb.s, pairs(raw), query.Options{})
		if err != nil {
			t.Fatal(raw, err)
		}
		how, _, _ := strings.Cut(query.Explain(q, tb), ";")
		served[strings.TrimSuffix(strings.TrimSuffix(how, " backwards"), " range")]++
	}
	for _, name := range []string{"price", "price+made", "live+rating+title", "gone+slug", "made (partial)", "title+price (partial)", "slug"} {
		if served["scan index "+name] == 0 {
			t.Errorf("no query was answered by index %s: %v", name, served)
		}
	}
	t.Logf("%d queries: %v", n, served)
}

func TestParseRefuses(t *testing.T) {
	tb := newTable(t, nil)
	for _, c := range []struct{ raw, want string }{
		{"titel=x", `did you mean "title"?`}, {"skp=3", `did you mean "skip"?`}, {"nothing_like_it=1", "is not a field of item"}, {"secret=x", "is not a field"}, {"sort=secret", "is not a field"},
		{"fields=secret", "is not a field"}, {"sort=-prise", `did you mean "price"?`}, {"sort=", "empty name"}, {"sort=id,id", "twice"}, {"sort=tags", "cannot be sorted"}, {"tags=x", "cannot be filtered"},
		{"take=-1", "whole number"}, {"take=x", "whole number"}, {"skip=99999999999", "whole number"}, {"skip=1&skip=2", "given twice"}, {"price=1.5", "whole number"}, {"price=null", "whole number"}, {"id=-1", "from 0"},
		{"rating=NaN", "a number"}, {"rating=<null", "null"}, {"live=yes", "true or false"}, {"made=yesterday", "a time"}, {"price=~1", "no text"}, {"expand=x", "reserved"}, {"cursor=x", "reserved"},
		{"price=in(1", "closing parenthesis"}, {"price=in()", "whole number"}, {"price=in(1,x)", "whole number"}, {"price=in(1,null)", "whole number"}, {`slug=in("a)`, "open quote"}, {`slug=in("a"b)`, "behind a closing quote"}, {"price=in(1))", "too many"},
		{"tags=in(a)", "cannot be filtered"}, {"price=in(" + strings.Repeat("1,", 100) + "1)", "more than 100"}, {"or=x", "in parentheses"}, {"or=(price)", "is no condition"}, {"or=()", "is no condition"}, {"or=(prise=1)", `did you mean "price"?`},
		{"or=(secret=x)", "is not a field"}, {"or=(price=x)", "whole number"}, {"or=(price=1", "closing parenthesis"}, {"or=(or=(price=1))", "is not a field"}, {"or=(take=1)", "is not a field"}, {"or=(rating=<null)", "null"},
	} {
		_, err := query.Parse(tb.m, tb.s, pairs(c.raw), query.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.raw, err, c.want)
		}
	}
}

func TestExplain(t *testing.T) {
	tb := newTable(t, sample(50, 3))
	for _, c := range []struct{ raw, want string }{
		{"", "scan primary key; skip by rank"}, {"sort=-id", "scan primary key backwards; skip by rank"}, {"id=3", "look up by primary key"}, {"slug=s1&live=true", "look up by unique slug; filter live ="},
		{"price=1", "scan index price range; skip by rank"}, {"price=>1", "scan index price range; sort"}, {"price=>1&sort=-price", "scan index price range backwards; skip by rank"},
		{"sort=price", "scan index price; skip by rank"}, {"sort=title", "scan primary key; sort"}, {"title=~a", "scan primary key; filter title ~"}, {"id=>3", "scan primary key range"},
		{"price=in(1,2)", "scan index price range; filter price in; sort"}, {"id=in(3,5)", "scan primary key range; filter id in"}, {"or=(price=1,id=3)", "scan primary key; filter or any"},
		{"price=1&sort=made", "scan index price+made range; skip by rank"}, {"price=1&made=>1970-01-02&sort=-made", "scan index price+made range backwards; skip by rank"},
		{"sort=price,made", "scan index price+made; skip by rank"}, {"sort=-price,-made,-id", "scan index price+made backwards; skip by rank"}, {"sort=price,-made", "scan primary key; sort"},
		{"live=true&rating=1&title=apple", "scan index live+rating+title range; skip by rank"}, {"live=false&rating=null&sort=title", "scan index live+rating+title range; skip by rank"},
		{"live=true&sort=-made", "scan index made (partial) backwards; skip by rank"}, {"live=in(true)&made=1970-01-02", "scan index made (partial) range; skip by rank"},
		{"live=!true&sort=made", "scan index made; filter live !="}, {"gone=!null&price=>1&title=apple&sort=price", "scan index title+price (partial) range; skip by rank"},
		{"gone=1970-01-02&sort=slug", "scan index gone+slug range; skip by rank"}, {"gone=1970-01-02&slug=in(s1,s2)&sort=slug,title", "scan index gone+slug range; filter slug in"},
		{"id=>=0&price=1", "scan index price range; filter id >="}, {"sort=-slug", "scan index slug backwards; skip by rank"},
	} {
		q, err := query.Parse(tb.m, tb.s, pairs(c.raw), query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := query.Explain(q, tb); got != c.want {
			t.Errorf("%s: %s, want %s", c.raw, got, c.want)
		}
	}
}

func TestFieldsAndCaps(t *testing.T) {
	tb := newTable(t, nil)
	q, err := query.Parse(tb.m, tb.s, pairs("fields=title,id,title&take=5000&level=strong&min_index=3"), query.Options{MaxTake: 30})
	if err != nil || !slices.Equal(q.Fields, []string{"title", "id"}) || q.Take != 30 {
		t.Fatal(q, err)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	tb := newTable(t, sample(1, 1))
	q, err := query.Parse(tb.m, tb.s, pairs("price=>-9&live=!null&title=~x"), query.Options{})
	if err == nil {
		t.Fatal("live is not optional, and null is no bool")
	}
	if q, err = query.Parse(tb.m, tb.s, pairs("price=>-9&id=0&rating=!7&id=in(0,3)&or=(price=9,id=0)"), query.Options{}); err != nil {
		t.Fatal(err)
	}
	rec := tb.rows[tb.keys[0]]
	if n := testing.AllocsPerRun(100, func() {
		if !q.Match(rec) {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCovers: a record that meets a query lies in a term of each of its covers, and conditions that
// any record may meet make none.
func TestCovers(t *testing.T) {
	tb := newTable(t, sample(300, 11))
	inTerm := func(rec record, x *query.Term) bool {
		f := tb.s.ByNumber(x.Field)
		raw, _, present := binenc.Lookup(rec, f.Number)
		key, err := binenc.AppendKeyRaw(nil, &f.Type, raw, present)
		if err != nil {
			t.Fatal(err)
		}
		if x.Keys != nil {
			return slices.Contains(x.Keys, string(key))
		}
		return x.From <= string(key) && (x.To == "" || string(key) < x.To)
	}
	met := 0
	for _, c := range []struct {
		raw   string
		terms []int // of each cover
	}{
		{"", nil}, {"price=!1", nil}, {"title=~a", nil}, {"or=(price=1,title=~a)", nil}, {"or=(price=1,rating=!2)", nil},
		{"price=1", []int{1}}, {"price=>1&price=<4", []int{1, 1}}, {"price=in(1,2)&id=>3", []int{1, 1}},
		{"or=(price=1,price=3,price=in(4,5))", []int{1}}, {"or=(price=1,id=3)", []int{2}}, {"or=(price=1,price=>7,rating=null)", []int{3}},
		{"or=(rating=<2,rating=>4)&live=true", []int{2, 1}}, {"or=(slug=s3,made=>1970-01-05)&or=(title=~a,id=1)", []int{2}},
	} {
		q, err := query.Parse(tb.m, tb.s, pairs(c.raw), query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		covers := q.Covers()
		var terms []int
		for _, cover := range covers {
			terms = append(terms, len(cover))
		}
		if !slices.Equal(terms, c.terms) {
			t.Errorf("%s: covers of %v terms, want %v", c.raw, terms, c.terms)
		}
		for _, key := range tb.keys {
			rec := tb.rows[key]
			if !q.Match(rec) {
				continue
			}
			met++
			for _, cover := range covers {
				if !slices.ContainsFunc(cover, func(x query.Term) bool { return inTerm(rec, &x) }) {
					t.Errorf("%s: a record that meets it lies in no term of %v", c.raw, cover)
				}
			}
		}
	}
	t.Logf("%d records met a query", met)
	if met == 0 {
		t.Error("nothing was held against anything")
	}
}

// TestRule: claims stand for values, literally, and what has none is met by nothing.
func TestRule(t *testing.T) {
	tb := newTable(t, sample(200, 5))
	claims := func(name string) ([]string, bool) {
		switch name {
		case "one":
			return []string{"1"}, true
		case "many":
			return []string{"1", "2", "no number", ""}, true
		case "none":
			return nil, true
		case "empty":
			return []string{""}, true
		case "odd":
			return []string{"in(1,2)"}, true
		}
		return nil, false
	}
	for _, c := range []struct{ rule, same string }{
		{"price={one}", "price=1"}, {"price={many}", "price=in(1,2)"}, {"price=in({many},3)", "price=in(1,2,3)"}, {"price=>{one}&live=true", "price=>1&live=true"},
		{"or=(price={one},rating=null)", "or=(price=1,rating=null)"}, {"or=(price={none},price=in({many}))", "price=in(1,2)"}, {"price=!{one}", "price=!1"},
		{"price={none}", ""}, {"slug={empty}", ""}, {"slug=!{none}", ""}, {"price=!{many}", ""}, {"price=in({none})", ""}, {"price={odd}", ""}, {"slug={odd}", ""}, {"title=~{many}", ""}, {"title=~{empty}", ""}, {"title=~{none}", ""}, {"or=(price={none},slug=={one})", ""}, {"price=>{none}", ""},
	} {
		rule, err := query.Rule(tb.m, tb.s, pairs(c.rule), claims)
		if err != nil {
			t.Fatal(c.rule, err)
		}
		all, err := query.Parse(tb.m, tb.s, pairs("take=1000"), query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := query.Run(all.And(rule), tb)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if c.same != "" {
			q, err := query.Parse(tb.m, tb.s, pairs(c.same+"&take=1000"), query.Options{})
			if err != nil {
				t.Fatal(err)
			}
			page, err := query.Run(q, tb)
			if err != nil || len(page.Keys) == 0 {
				t.Fatalf("%s: %d records, %v", c.same, len(page.Keys), err)
			}
			want = page.Keys
		}
		if !slices.Equal(got.Keys, want) || got.Total != len(want) {
			t.Errorf("%s: %d records, want the %d of %q", c.rule, len(got.Keys), len(want), c.same)
		}
		for _, key := range tb.keys {
			if rule.Match(tb.rows[key]) != slices.Contains(want, key) {
				t.Errorf("%s: Match differs from the list", c.rule)
			}
		}
	}
	for _, raw := range []string{"price={two}", "take=3", "sort=price", "at=1", "nothing=1", "price=x", "or=(price={two})", "price=in({two})", "live=~{one}", "price=!in({many})", "slug=!in({none})", "slug=x{one}", "slug={one},title=a"} {
		if _, err := query.Rule(tb.m, tb.s, pairs(raw), claims); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
}
