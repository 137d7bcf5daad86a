package lithair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type book struct {
	_ struct{} `lithair:"index=author+year,index=year where sold>0"`

	ID     string  `json:"id"`
	Author string  `json:"author" lithair:"indexed"`
	Year   int     `json:"year"`
	Shelf  *int    `json:"shelf" lithair:"indexed"`
	Sold   uint32  `json:"sold"`
	Price  float64 `json:"price"`
}

// shelf is an application with n books, and the books.
func shelf(t testing.TB, n int) (*App, *Collection[book], []book) {
	a := New(Config{Name: "books", Addr: "127.0.0.1:0", Dir: t.TempDir(), Logger: quiet()})
	c := Model[book](a, "")
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(a); err != nil {
			t.Error(err)
		}
	})
	rng := rand.New(rand.NewPCG(1, 2))
	var all []book
	for i := range n {
		b := book{ID: fmt.Sprintf("%c%03d", 'a'+rune(i%3), i), Author: []string{"", "ada", "adam", "bob", "a\x00b"}[rng.IntN(5)], Year: 1990 + rng.IntN(5), Sold: uint32(rng.IntN(3))}
		if s := rng.IntN(4); s > 0 {
			b.Shelf = &s
		}
		all = append(all, b)
	}
	if err := a.Update(context.Background(), func(tx *Tx) error {
		for i := range all {
			if err := c.Insert(tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return a, c, all
}

// Spans over every kind of order give what a plain filter and sort of the same values does.
func TestSpansAgreeWithPlainValues(t *testing.T) {
	a, c, all := shelf(t, 200)
	byID := func(x, y book) int { return cmp.Compare(x.ID, y.ID) }
	year := func(x, y book) int { return cmp.Or(cmp.Compare(x.Year, y.Year), byID(x, y)) }
	for name, row := range map[string]struct {
		span  Span
		keep  func(b book) bool
		order func(x, y book) int
	}{
		"all":           {Span{}, func(book) bool { return true }, byID},
		"ids":           {Span{From: "a050", To: "b070"}, func(b book) bool { return b.ID >= "a050" && b.ID < "b070" }, byID},
		"one id":        {Span{Equal: []any{"a003"}}, func(b book) bool { return b.ID == "a003" }, byID},
		"ids by prefix": {Span{Text: "b0"}, func(b book) bool { return strings.HasPrefix(b.ID, "b0") }, byID},
		"one author":    {Span{Index: "author", Equal: []any{"ada"}}, func(b book) bool { return b.Author == "ada" }, byID},
		"authors from":  {Span{Index: "author", From: "ada"}, func(b book) bool { return b.Author >= "ada" }, func(x, y book) int { return cmp.Or(cmp.Compare(x.Author, y.Author), byID(x, y)) }},
		"authors to":    {Span{Index: "author", To: "ada"}, func(b book) bool { return b.Author < "ada" }, func(x, y book) int { return cmp.Or(cmp.Compare(x.Author, y.Author), byID(x, y)) }},
		"authors named": {Span{Index: "author", Text: "ad"}, func(b book) bool { return strings.HasPrefix(b.Author, "ad") }, func(x, y book) int { return cmp.Or(cmp.Compare(x.Author, y.Author), byID(x, y)) }},
		"with a zero":   {Span{Index: "author", Text: "a\x00"}, func(b book) bool { return strings.HasPrefix(b.Author, "a\x00") }, byID},
		"empty text":    {Span{Index: "author", Equal: []any{""}}, func(b book) bool { return b.Author == "" }, byID},
		"composite":     {Span{Index: "author+year", Equal: []any{"bob"}}, func(b book) bool { return b.Author == "bob" }, year},
		"years of one":  {Span{Index: "author+year", Equal: []any{"bob"}, From: 1991, To: 1994}, func(b book) bool { return b.Author == "bob" && b.Year >= 1991 && b.Year < 1994 }, year},
		"both fields":   {Span{Index: "author+year", Equal: []any{"bob", 1992}}, func(b book) bool { return b.Author == "bob" && b.Year == 1992 }, byID},
		"partial":       {Span{Index: "year"}, func(b book) bool { return b.Sold > 0 }, year},
		"no shelf":      {Span{Index: "shelf", Equal: []any{nil}}, func(b book) bool { return b.Shelf == nil }, byID},
		"shelves":       {Span{Index: "shelf", From: 2}, func(b book) bool { return b.Shelf != nil && *b.Shelf >= 2 }, func(x, y book) int { return cmp.Or(cmp.Compare(*x.Shelf, *y.Shelf), byID(x, y)) }},
		"nothing":       {Span{From: "b", To: "a"}, func(book) bool { return false }, byID},
	} {
		var want []string
		list := slices.DeleteFunc(slices.Clone(all), func(b book) bool { return !row.keep(b) })
		slices.SortFunc(list, row.order)
		for _, b := range list {
			want = append(want, b.ID)
		}
		for _, way := range []struct {
			reverse bool
			skip    int
		}{{false, 0}, {true, 0}, {false, 3}, {true, len(want)}} {
			expect := slices.Clone(want)
			if way.reverse {
				slices.Reverse(expect)
			}
			expect = expect[min(way.skip, len(expect)):]
			span := row.span
			span.Reverse, span.Skip = way.reverse, way.skip
			if err := a.View(func(s *Snapshot) error {
				var got []string
				for b, err := range c.Range(s, span) {
					if err != nil {
						return err
					}
					got = append(got, b.ID)
				}
				if !slices.Equal(got, expect) {
					return fmt.Errorf("%v, want %v", got, expect)
				}
				if n, err := c.Count(s, span); n != len(expect) || err != nil {
					return fmt.Errorf("counts %d, %v, want %d", n, err, len(expect))
				}
				return nil
			}); err != nil {
				t.Errorf("%s, %+v: %v", name, way, err)
			}
		}
	}
	for _, span := range []Span{{Index: "price"}, {Index: "year+author"}, {Equal: []any{"a", "b"}}, {Index: "author", Equal: []any{7}}, {Index: "author", From: 7}, {Index: "author", To: 7}, {Index: "author", Equal: []any{"x"}, From: "y"},
		{Index: "shelf", Text: "x"}, {Index: "author", Text: "x", From: "y"}, {Index: "year", Equal: []any{nil}}} {
		if err := a.View(func(s *Snapshot) error {
			n := 0
			for _, err := range c.Range(s, span) {
				if n++; err == nil || n > 1 {
					t.Errorf("%+v gives a record", span)
				}
			}
			_, err := c.Count(s, span)
			return err
		}); err == nil {
			t.Errorf("%+v is taken", span)
		}
	}
}

// A scan that takes long, while everything is written over and over, sees one version.
func TestALongScanSeesOneVersion(t *testing.T) {
	a, c, all := shelf(t, 300)
	raise := func() error {
		return a.Update(context.Background(), func(tx *Tx) error {
			for b, err := range c.Scan(tx) {
				if err != nil {
					return err
				}
				b.Price++
				if err := c.Put(tx, &b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() {
		for !stop.Load() {
			if err := raise(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for _, span := range []Span{{}, {Reverse: true}, {Index: "author+year"}, {Index: "author", Reverse: true}} {
		if err := a.View(func(s *Snapshot) error {
			price, n := 0.0, 0
			for b, err := range c.Range(s, span) {
				if err != nil {
					return err
				}
				if n == 0 {
					price = b.Price
				}
				if b.Price != price {
					return fmt.Errorf("record %d has version %v, the first had %v", n, b.Price, price)
				}
				if n++; n == len(all)/2 {
					before := a.engine.Root().Seq() // what is behind it is written at least once meanwhile
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					_, err := a.engine.Wait(ctx, before+2)
					if cancel(); err != nil {
						return err
					}
				}
			}
			if n != len(all) {
				return fmt.Errorf("%d records, want %d", n, len(all))
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	if err := receive(t, "the end of the writer", done); err != nil {
		t.Error(err)
	}
}

type point struct {
	ID ID      `json:"id"`
	X  int64   `json:"x"`
	Y  float64 `json:"y"`
	On bool    `json:"on"`
}

// What a value without pointers costs to read: nothing.
func TestReadsDoNotAllocate(t *testing.T) {
	a := New(Config{Name: "points", Addr: "127.0.0.1:0", Dir: t.TempDir(), Logger: quiet()})
	c := Model[point](a, "")
	start(t, a)
	p := point{X: 1}
	if err := a.Update(t.Context(), func(tx *Tx) error { return c.Insert(tx, &p) }); err != nil {
		t.Fatal(err)
	}
	if err := a.View(func(s *Snapshot) error {
		if n := testing.AllocsPerRun(1000, func() {
			if got, err := c.Get(s, p.ID); err != nil || got != p {
				t.Fatal(got, err)
			}
		}); n > 0 && !raceEnabled {
			t.Errorf("%v allocations by Get", n)
		}
		if _, err := c.Get(s, ID{1}); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
