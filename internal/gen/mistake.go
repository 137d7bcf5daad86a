package gen

import (
	"fmt"
	"go/token"
	"strings"
)

// Mistake is something wrong, or worth a note, at a place in the source.
type Mistake struct {
	Pos        token.Position // Filename is as it was given to Load
	Line       string         // the text of that line
	Problem    string
	DidYouMean string
	Allowed    []string
}

// String renders it for people: file:line:col, what is wrong, the line with a caret.
func (m *Mistake) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", m.Pos, m.Problem)
	if m.DidYouMean != "" {
		fmt.Fprintf(&b, "; did you mean %q?", m.DidYouMean)
	}
	b.WriteByte('\n')
	if m.Line != "" {
		fmt.Fprintf(&b, "\t%s\n\t%s^\n", m.Line, blank(m.Line, m.Pos.Column-1))
	}
	if len(m.Allowed) > 0 {
		fmt.Fprintf(&b, "\tallowed: %s\n", strings.Join(m.Allowed, ", "))
	}
	return b.String()
}

// blank is as wide as the first n bytes of line: tabs stay tabs.
func blank(line string, n int) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, line[:min(n, len(line))])
}

// mistake makes one at a place; offset is from there, in bytes.
func (p *Package) mistake(pos token.Pos, offset int, format string, args ...any) *Mistake {
	at := p.fset.Position(pos + token.Pos(offset))
	m := &Mistake{Pos: at, Problem: fmt.Sprintf(format, args...)}
	if src := p.sources[at.Filename]; src != nil {
		lines := strings.Split(string(src), "\n")
		if at.Line <= len(lines) {
			m.Line = strings.TrimRight(lines[at.Line-1], "\r")
		}
	}
	return m
}
