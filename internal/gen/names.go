package gen

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plural is the usual English plural of a Go name.
func plural(name string) string {
	low := strings.ToLower(name)
	switch {
	case strings.HasSuffix(low, "y") && len(low) > 1 && !strings.ContainsRune("aeiou", rune(low[len(low)-2])):
		return name[:len(name)-1] + "ies"
	case strings.HasSuffix(low, "s"), strings.HasSuffix(low, "x"), strings.HasSuffix(low, "z"), strings.HasSuffix(low, "ch"), strings.HasSuffix(low, "sh"):
		return name + "es"
	}
	return name + "s"
}

// kebab writes a Go name in small letters, with - between words: BlogPosts is blog-posts,
// HTTPRules is http-rules.
func kebab(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		up := unicode.IsUpper(r)
		if up && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) && runes[i-1] != '_' {
			b.WriteByte('-')
		}
		if r == '_' {
			r = '-'
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// exported makes a Go name one that other packages see: sent is Sent.
func exported(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[size:]
}

// unexported makes a Go name a local one: ID is id, URLPath is urlPath, AuthorID is authorID.
func unexported(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}
