package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
)

// readNDJSON reads one JSON object a line. Empty lines are passed over.
func readNDJSON(r io.Reader) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 64<<10), maxLine)
		line := 0
		for sc.Scan() {
			line++
			if len(strings.TrimSpace(sc.Text())) == 0 {
				continue
			}
			var members map[string]any
			if err := jsonx.Unmarshal(sc.Bytes(), &members); err != nil {
				yield(Item{}, fmt.Errorf("line %d: %w", line, err))
				return
			}
			row := map[string]string{}
			for k, v := range members {
				text, err := cell(v)
				if err != nil {
					yield(Item{}, fmt.Errorf("line %d: member %q: %w", line, k, err))
					return
				}
				row[k] = text
			}
			if !yieldRow(yield, row, line) {
				return
			}
		}
		if err := sc.Err(); err != nil {
			yield(Item{}, fmt.Errorf("after line %d: %w", line, err))
		}
	}
}

// cell writes a JSON value as the text of a table's cell.
func cell(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	b, err := jsonx.Marshal(v)
	return string(b), err
}

// readCSV reads comma-separated values (RFC 4180) whose first record names the columns.
func readCSV(r io.Reader) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		c := csv.NewReader(r)
		c.ReuseRecord = true
		head, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Item{}, err)
			return
		}
		head = slices.Clone(head)
		for {
			record, err := c.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil { // names the line
				yield(Item{}, err)
				return
			}
			row := map[string]string{}
			for i, v := range record {
				row[head[i]] = v
			}
			line, _ := c.FieldPos(0)
			if !yieldRow(yield, row, line) {
				return
			}
		}
	}
}

func yieldRow(yield func(Item, error) bool, row map[string]string, line int) bool {
	it, err := rowItem(row)
	if err != nil {
		err = fmt.Errorf("line %d: %w", line, err)
	}
	return yield(it, err) && err == nil
}

// columns are the names under which a field is looked for, in order.
var columns = []struct {
	names []string
	set   func(it *Item, v string) error
}{
	{[]string{"name", "title"}, func(it *Item, v string) error { it.Name = v; return nil }},
	{[]string{"key", "id", "sku", "slug"}, func(it *Item, v string) error { it.Key = v; return nil }},
	{[]string{"version"}, func(it *Item, v string) error { it.Version = v; return nil }},
	{[]string{"section", "category"}, func(it *Item, v string) error { it.Section = v; return nil }},
	{[]string{"priority", "status"}, func(it *Item, v string) error { it.Priority = v; return nil }},
	{[]string{"architecture", "type"}, func(it *Item, v string) error { it.Architecture = v; return nil }},
	{[]string{"size_kib", "size"}, func(it *Item, v string) (err error) {
		if v != "" {
			it.SizeKiB, err = strconv.ParseInt(v, 10, 64)
		}
		return err
	}},
	{[]string{"summary", "subtitle"}, func(it *Item, v string) error { it.Summary = v; return nil }},
	{[]string{"description", "text"}, func(it *Item, v string) error { it.Description = v; return nil }},
	{[]string{"homepage", "url"}, func(it *Item, v string) error { it.Homepage = v; return nil }},
}

// rowItem makes an item of a row of named cells. A row needs a key or a name.
func rowItem(row map[string]string) (Item, error) {
	var it Item
	taken := map[string]bool{}
	for _, c := range columns {
		for name, v := range row {
			if taken[name] || !slices.Contains(c.names, strings.ToLower(name)) {
				continue
			}
			taken[name] = true
			if err := c.set(&it, v); err != nil {
				return it, fmt.Errorf("column %s: %w", name, err)
			}
		}
	}
	if it.Key == "" {
		it.Key = it.Name
	}
	if it.Name == "" {
		it.Name = it.Key
	}
	if it.Key == "" {
		return it, errors.New("a row needs a key (key, id, sku, slug) or a name (name, title)")
	}
	for name, v := range row {
		if !taken[name] && v != "" {
			if it.Extra == nil {
				it.Extra = map[string]string{}
			}
			it.Extra[name] = v
		}
	}
	return it, nil
}
