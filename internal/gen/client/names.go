package client

import (
	"strings"
	"unicode"
)

// reserved are the names that the runtimes have, in any of the languages, so that a type of the
// application is called otherwise.
var reserved = map[string]bool{
	"Answer": true, "CallOptions": true, "Change": true, "Client": true, "Code": true, "Codes": true, "Collection": true, "Condition": true, "FieldError": true, "History": true,
	"ID": true, "Int64": true, "Level": true, "Options": true, "Page": true, "Problem": true, "ReadOptions": true, "Result": true, "Transport": true, "Timestamp": true, "Base64": true,
	"Unanswered": true, "Version": true, "WriteOptions": true, "TransactionOperation": true, "Opt": true, "Custom": true, "Query": true, "Failure": true, "TextCondition": true, "JSON": true,
	"Error": true, "Object": true, "Array": true, "String": true, "Number": true, "Boolean": true, "Map": true, "Set": true, "Date": true, "Promise": true, "Record": true, "Partial": true, "Symbol": true,
	"Any": true, "Dict": true, "List": true, "Optional": true, "TypedDict": true, "Union": true, "Generic": true, "Iterator": true, "Mapping": true, "Literal": true, "Sequence": true, "None": true, "True": true, "False": true, "TypeVar": true, "Filter": true, "Null": true,
	"NewTransport": true, "Option": true, "IdempotencyKey": true, "IfMatch": true, "MinIndex": true, "Freshness": true, "At": true, "AtTime": true, "Header": true, "Retries": true, "Timeout": true, "New": true, "Field": true, "TextField": true,
}

// words splits a name at what is neither letter nor digit, and where a small letter meets a
// capital one.
func words(name string) (list []string) {
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			list = append(list, b.String())
		}
		b.Reset()
	}
	runes := []rune(name)
	for i, r := range runes {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			flush()
		}
		b.WriteRune(r)
	}
	flush()
	return list
}

// camel is a name in the spelling of TypeScript, or of Go where the first letter is large:
// place-order is placeOrder, HTTPRule stays HTTPRule.
func camel(name string, large bool) string {
	var b strings.Builder
	for i, w := range words(name) {
		switch {
		case i == 0 && !large:
			b.WriteString(strings.ToLower(w))
		default:
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return safe(b.String())
}

// snake is a name in the spelling of Python: PlaceOrder is place_order.
func snake(name string) string { return safe(strings.ToLower(strings.Join(words(name), "_"))) }

// safe makes an identifier of what may begin with a digit, or be nothing.
func safe(name string) string {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "X" + name
	}
	return name
}

// identifier says that a name can stand as it is.
func identifier(name string) bool {
	for i, r := range name {
		if r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r))) {
			return false
		}
	}
	return name != ""
}

// members hands out names of methods and fields of a client, each once.
type members map[string]bool

func (m members) free(name, more string) string {
	for m[name] {
		name += more
	}
	m[name] = true
	return name
}

// plural is what a collection is called: the end of its path.
func (c *Collection) plural() string { return c.Path[strings.LastIndexByte(c.Path, '/')+1:] }
