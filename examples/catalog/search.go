package main

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	lithair "github.com/lithair/lithair-go"
)

// entry is what search keeps of an item: enough to match, rank, count and list it.
type entry struct {
	Key          string `json:"key"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Section      string `json:"section"`
	Priority     string `json:"priority"`
	Architecture string `json:"architecture"`
	Summary      string `json:"summary"`
	SizeKiB      int64  `json:"size_kib"`

	lowerName, lowerText string
}

// indexCache keeps the entries of one state of the catalog. A snapshot says by its
// sequence number which state it is, so the entries are made anew exactly when
// something was written since.
type indexCache struct {
	mu      sync.Mutex
	seq     uint64
	entries []entry // never changed once made
}

func (c *catalog) entries(s *lithair.Snapshot) ([]entry, error) {
	c.index.mu.Lock()
	defer c.index.mu.Unlock()
	if c.index.entries != nil && c.index.seq == s.Seq() {
		return c.index.entries, nil
	}
	list := make([]entry, 0, c.Items.Len(s))
	for it, err := range c.Items.Scan(s) {
		if err != nil {
			return nil, err
		}
		list = append(list, entry{
			Key: it.Key, Name: it.Name, Version: it.Version, Section: it.Section, Priority: it.Priority, Architecture: it.Architecture,
			Summary: it.Summary, SizeKiB: it.SizeKiB, lowerName: strings.ToLower(it.Name), lowerText: strings.ToLower(it.Name + "\n" + it.Summary),
		})
	}
	c.index.seq, c.index.entries = s.Seq(), list
	return list, nil
}

// facets are the properties a search can be narrowed by.
var facets = []struct {
	Name, Label string
	of          func(e *entry) string
}{
	{"section", "Section", func(e *entry) string { return e.Section }},
	{"priority", "Priority", func(e *entry) string { return e.Priority }},
	{"architecture", "Architecture", func(e *entry) string { return e.Architecture }},
}

// request is what somebody looks for.
type request struct {
	Text   string
	Chosen map[string]string // facet by name; absent: any value
	Skip   int
	Take   int
}

// found is one page of what there is.
type found struct {
	Data   []entry            `json:"data"`
	Total  int                `json:"total"`
	Skip   int                `json:"skip"`
	Take   int                `json:"take"`
	Facets map[string][]share `json:"facets"`
}

// share is one value of a facet and how many items have it.
type share struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// search finds entries with all the words in name or summary, best first: a name that
// is the text, one that begins with it, one that has it, then the rest. A facet counts
// what choosing one of its values instead would give.
func search(entries []entry, q request) found {
	words := strings.Fields(strings.ToLower(q.Text))
	counts := make([]map[string]int, len(facets))
	for i := range counts {
		counts[i] = map[string]int{}
	}
	type hit struct{ rank, at int }
	var hits []hit
	for at := range entries {
		e := &entries[at]
		if !hasAll(e.lowerText, words) {
			continue
		}
		misses, miss := 0, 0
		for i, f := range facets {
			if want, ok := q.Chosen[f.Name]; ok && f.of(e) != want {
				misses, miss = misses+1, i
			}
		}
		for i, f := range facets {
			if misses == 0 || misses == 1 && miss == i {
				counts[i][f.of(e)]++
			}
		}
		if misses == 0 {
			hits = append(hits, hit{rank(e, strings.Join(words, " ")), at})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.rank, b.rank) })
	out := found{Data: []entry{}, Total: len(hits), Skip: q.Skip, Take: q.Take, Facets: map[string][]share{}}
	for i := q.Skip; i < len(hits) && i < q.Skip+q.Take; i++ {
		out.Data = append(out.Data, entries[hits[i].at])
	}
	for i, f := range facets {
		out.Facets[f.Name] = shares(counts[i])
	}
	return out
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func rank(e *entry, text string) int {
	switch {
	case text == "":
		return 0
	case e.lowerName == text:
		return 1
	case strings.HasPrefix(e.lowerName, text):
		return 2
	case strings.Contains(e.lowerName, text):
		return 3
	}
	return 4
}

// shares sorts a facet's values, the most frequent first.
func shares(counts map[string]int) []share {
	list := []share{}
	for v, n := range counts {
		if v != "" {
			list = append(list, share{v, n})
		}
	}
	slices.SortFunc(list, func(a, b share) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	return list
}
