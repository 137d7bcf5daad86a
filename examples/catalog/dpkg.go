package main

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// maxLine is the longest line read, in bytes.
const maxLine = 16 << 20

// readDpkg reads the database of installed packages of Debian and Ubuntu: stanzas of
// "Field: value" lines parted by empty lines; a line that begins with a blank goes on
// with the field before (deb822(5)).
func readDpkg(r io.Reader) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 64<<10), maxLine)
		stanza, field, line := map[string]string{}, "", 0
		for sc.Scan() {
			line++
			text := sc.Text()
			switch {
			case strings.TrimSpace(text) == "":
				if len(stanza) == 0 {
					continue
				}
				if it, err := packageItem(stanza); !yield(it, err) || err != nil {
					return
				}
				stanza, field = map[string]string{}, ""
			case text[0] == ' ' || text[0] == '\t':
				if field == "" {
					yield(Item{}, fmt.Errorf("line %d: it continues a field, but there is none", line))
					return
				}
				stanza[field] += "\n" + text[1:]
			default:
				name, value, ok := strings.Cut(text, ":")
				if !ok {
					yield(Item{}, fmt.Errorf("line %d: not a \"Field: value\" line", line))
					return
				}
				field = strings.ToLower(name)
				stanza[field] = strings.TrimSpace(value)
			}
		}
		if err := sc.Err(); err != nil {
			yield(Item{}, fmt.Errorf("after line %d: %w", line, err))
			return
		}
		if len(stanza) > 0 {
			yield(packageItem(stanza))
		}
	}
}

func packageItem(stanza map[string]string) (Item, error) {
	name := stanza["package"]
	if name == "" {
		return Item{}, fmt.Errorf("a stanza without Package")
	}
	summary, rest, _ := strings.Cut(stanza["description"], "\n")
	it := Item{
		Key: name + ":" + stanza["architecture"], Name: name, Version: stanza["version"], Section: stanza["section"],
		Priority: stanza["priority"], Architecture: stanza["architecture"], Summary: summary,
		Description: longDescription(rest), Homepage: stanza["homepage"],
	}
	if size := stanza["installed-size"]; size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return it, fmt.Errorf("package %s: Installed-Size %q is no number", name, size)
		}
		it.SizeKiB = n
	}
	return it, nil
}

// longDescription joins wrapped lines to paragraphs; a line with one full stop parts
// them, and lines that begin with a further blank stay as they are.
func longDescription(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == ".":
			b.WriteString("\n\n")
		case strings.HasPrefix(line, " "):
			b.WriteString("\n" + line)
		default:
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
				b.WriteByte(' ')
			}
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}
