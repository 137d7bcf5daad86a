package cli

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lithair/lithair-go/jsonx"
)

// column is a field of a collection as OpenAPI has it.
type column struct {
	name, typ string // typ is "string" where cells are text as it is, "text" where nothing is null
	readOnly  bool   // the server sets it
}

// columns asks the application for the fields of a collection's records, in order.
func (t *transfer) columns() ([]column, error) {
	scheme, rest, _ := strings.Cut(t.url, "://")
	host, path, _ := strings.Cut(rest, "/")
	text, _, err := t.ask("GET", scheme+"://"+host+"/openapi.json", nil)
	if err != nil {
		return nil, fmt.Errorf("for the types of the columns: %w", err)
	}
	doc, err := jsonx.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("/openapi.json: %w", err)
	}
	list := member(&doc, "paths", "/"+path, "get", "responses", "200", "content", "application/json", "schema")
	schema := member(list, "properties", "data", "items")
	if ref, ok := schema.Get("$ref"); ok {
		schema = member(&doc, strings.Split(strings.TrimPrefix(ref.Text(), "#/"), "/")...)
	}
	var columns []column
	for name, p := range member(schema, "properties").Members() {
		only, _ := p.Get("readOnly")
		columns = append(columns, column{name, columnType(p), only != nil && only.Bool()})
	}
	if len(columns) == 0 {
		return nil, &ExitError{CodeNotFound, fmt.Errorf("%s is no collection of this application", t.url)}
	}
	return columns, nil
}

// member goes down into a document; what is not there is null.
func member(v *jsonx.Value, names ...string) *jsonx.Value {
	for _, n := range names {
		next, ok := v.Get(n)
		if !ok {
			return &jsonx.Value{}
		}
		v = next
	}
	return v
}

// columnType is the type that a schema names; text where it may be a string or null.
func columnType(schema *jsonx.Value) string {
	typ, ok := schema.Get("type")
	switch {
	case ok && typ.Kind() == jsonx.String:
		return typ.Text()
	case ok && typ.Kind() == jsonx.Array:
		for _, t := range typ.Elements() {
			switch t.Text() {
			case "null":
			case "string":
				return "text"
			default:
				return t.Text()
			}
		}
	}
	return "value"
}

// csvRows writes a header with the names of all fields, and records below it.
func (t *transfer) csvRows(out *bufio.Writer) (func(*jsonx.Value) error, error) {
	columns, err := t.columns()
	if err != nil {
		return nil, err
	}
	table, cells := csv.NewWriter(out), make([]string, len(columns))
	for i := range columns {
		cells[i] = columns[i].name
	}
	if err := table.Write(cells); err != nil {
		return nil, err
	}
	table.Flush()
	return func(v *jsonx.Value) error {
		left := v.Len()
		for i := range columns {
			m, ok := v.Get(columns[i].name)
			if cells[i] = ""; !ok {
				continue
			}
			left--
			if cells[i], err = cellOf(m); err != nil {
				return err
			}
		}
		if left > 0 {
			return fmt.Errorf("a record has %d fields that /openapi.json does not name: CSV has no place for them", left)
		}
		if err := table.Write(cells); err != nil {
			return err
		}
		table.Flush()
		return table.Error()
	}, table.Error()
}

// cellOf is a value in a cell: text as it is, null as nothing, the rest as JSON.
func cellOf(v *jsonx.Value) (string, error) {
	switch v.Kind() {
	case jsonx.String:
		return v.Text(), nil
	case jsonx.Null:
		return "", nil
	}
	b, err := v.AppendJSON(nil)
	return string(b), err
}

// csvRecords makes records of rows: the header has the names, the application knows the types.
func (t *transfer) csvRecords(in io.Reader, without []string) (func() ([]byte, int, error), error) {
	columns, err := t.columns()
	if err != nil {
		return nil, err
	}
	bound := &cellReader{r: bufio.NewReader(in), left: maxRecordBytes}
	table := csv.NewReader(bound)
	names, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: want a header with the names of the fields: %w", err)
	}
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	types := make([]string, len(names)) // "" is passed over
	for i, name := range names {
		if slices.Contains(without, name) {
			continue
		}
		at := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
		switch {
		case at < 0:
			return nil, fmt.Errorf("line 1: the collection has no field %q", name)
		case columns[at].readOnly:
			return nil, fmt.Errorf("line 1: the server sets %q itself; -without %s passes over it", name, name)
		case slices.Contains(names[:i], name):
			return nil, fmt.Errorf("line 1: %q is there twice", name)
		}
		types[i] = columns[at].typ
	}
	line := 1
	return func() ([]byte, int, error) {
		bound.left = maxRecordBytes
		cells, err := table.Read()
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			return nil, syntax.Line, syntax.Err
		}
		if err != nil {
			return nil, line + 1, err
		}
		line, _ = table.FieldPos(0)
		rec, err := csvRecord(names, types, cells)
		return rec, line, err
	}, nil
}

// csvRecord makes a record of cells.
func csvRecord(names, types, cells []string) ([]byte, error) {
	rec := []byte{'{'}
	for i, name := range names {
		if types[i] == "" {
			continue
		}
		value, err := jsonOf(cells[i], types[i])
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		if value == nil {
			continue
		}
		if len(rec) > 1 {
			rec = append(rec, ',')
		}
		rec = append(append(jsonx.AppendString(rec, name), ':'), value...)
	}
	return append(rec, '}'), nil
}

// jsonOf is a cell as JSON; nil where it says nothing.
func jsonOf(cell, typ string) ([]byte, error) {
	switch {
	case !utf8.ValidString(cell):
		return nil, fmt.Errorf("%.60q is not UTF-8", cell)
	case typ == "string":
		return jsonx.AppendString(nil, cell), nil
	case cell == "":
		return nil, nil
	case typ == "text":
		return jsonx.AppendString(nil, cell), nil
	}
	if _, err := jsonx.Parse([]byte(cell)); err != nil {
		return nil, fmt.Errorf("%.60q is no %s", cell, typ)
	}
	return []byte(cell), nil
}

// cellReader is between a file and its csv.Reader, which takes a row of any length, and changes
// CR LF in cells to LF: one CR more in front of it keeps it.
type cellReader struct {
	r      *bufio.Reader
	left   int  // bytes of the row that is read, read ahead or not; errTooLong
	quoted bool // within a cell
	last   byte
}

// Read implements io.Reader.
func (c *cellReader) Read(p []byte) (n int, err error) {
	for n < len(p) && (n == 0 || c.r.Buffered() > 0) {
		if c.left <= 0 {
			return n, errTooLong
		}
		b, err := c.r.ReadByte()
		if err != nil {
			return n, err
		}
		c.left--
		switch {
		case b == '"':
			c.quoted = !c.quoted
		case b == '\n' && c.quoted && c.last == '\r':
			if err := c.r.UnreadByte(); err != nil {
				return n, err
			}
			p[n], n, c.last = '\r', n+1, 0
			continue
		}
		p[n], n, c.last = b, n+1, b
	}
	return n, nil
}
