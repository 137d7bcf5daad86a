package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The twin of head.parse: the same rules in the slow and obvious way, with regular
// expressions over one rune per byte. It looks at a whole head only.

const tchar = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]"

var (
	twinRequestLine = regexp.MustCompile(`^(` + tchar + `+) ([\x21-\x7E]+) HTTP/(\d)\.(\d)$`)
	twinField       = regexp.MustCompile(`^(` + tchar + `+):[ \t]*(|[\x21-\x7E\x{80}-\x{FF}]|[\x21-\x7E\x{80}-\x{FF}][\t\x20-\x7E\x{80}-\x{FF}]*[\x21-\x7E\x{80}-\x{FF}])[ \t]*$`)
	twinHost        = regexp.MustCompile(`^([A-Za-z0-9\-._~%!$&'()*+,;=]+|\[[0-9A-Fa-f:.v]+\]|)(:([0-9]*))?$`)
	twinTarget      = regexp.MustCompile(`^(?:(?i:https?)://([^/?#]+))?(/[^?#]*|)(\?([^#]*))?$`)
)

// twinHead describes a request head; err is its status, 0 when it is good and -1 when it
// is not all there.
func twinHead(wireBytes []byte, maxBytes, maxFields int) (what string, size, err int) {
	var b strings.Builder
	for _, c := range wireBytes {
		b.WriteRune(rune(c))
	}
	rest := []rune(b.String())
	var lines []string
	for empty := 0; ; {
		if lines == nil && len(rest) > 0 && rest[0] != '\r' && rest[0] != '\n' && !regexp.MustCompile(`^`+tchar).MatchString(string(rest[:1])) {
			return "", 0, 400
		}
		i := slices.Index(rest, '\n')
		if i < 0 {
			switch {
			case len(wireBytes) >= maxBytes && lines == nil:
				return "", 0, 414
			case len(wireBytes) >= maxBytes:
				return "", 0, 431
			}
			return "", 0, -1
		}
		line := string(rest[:i])
		size += i + 1
		rest = rest[i+1:]
		if size > maxBytes {
			if lines == nil {
				return "", 0, 414
			}
			return "", 0, 431
		}
		if !strings.HasSuffix(line, "\r") {
			return "", 0, 400
		}
		line = strings.TrimSuffix(line, "\r")
		if line == "" && lines == nil {
			if empty++; empty > maxLeadingEmptyLines {
				return "", 0, 400
			}
			continue
		}
		if line == "" {
			break
		}
		if len(lines) == maxFields+1 {
			return "", 0, 431
		}
		lines = append(lines, line)
		if err := twinLine(lines); err != 0 {
			return "", 0, err
		}
	}
	what, err = twinWhole(lines)
	return what, size, err
}

// twinLine judges the last line by itself, and the fields that may not be repeated.
func twinLine(lines []string) int {
	if len(lines) == 1 {
		m := twinRequestLine.FindStringSubmatch(lines[0])
		if m == nil {
			return 400
		}
		if m[3] != "1" {
			return 505
		}
		return 0
	}
	minor := twinRequestLine.FindStringSubmatch(lines[0])[4]
	m := twinField.FindStringSubmatch(lines[len(lines)-1])
	if m == nil {
		return 400
	}
	seen := func(name string) (n int) {
		for _, l := range lines[1:] {
			if f := twinField.FindStringSubmatch(l); asciiLower(f[1]) == name {
				n++
			}
		}
		return n
	}
	switch asciiLower(m[1]) {
	case "expect":
		if asciiLower(m[2]) != "100-continue" {
			return 417
		}
	case "content-length":
		if seen("content-length") > 1 || !regexp.MustCompile(`^[0-9]{1,18}$`).MatchString(m[2]) {
			return 400
		}
	case "transfer-encoding":
		switch {
		case minor == "0" || seen("transfer-encoding") > 1:
			return 400
		case asciiLower(m[2]) != "chunked":
			return 501
		}
	}
	return 0
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func twinWhole(lines []string) (string, int) {
	rl := twinRequestLine.FindStringSubmatch(lines[0])
	method, target, minor := rl[1], rl[2], rl[4] != "0"
	var fields, hosts, connection []string
	length, chunked := "", false
	for _, l := range lines[1:] {
		f := twinField.FindStringSubmatch(l)
		fields = append(fields, f[1]+"="+f[2])
		switch asciiLower(f[1]) {
		case "host":
			hosts = append(hosts, f[2])
		case "connection":
			connection = append(connection, strings.Split(asciiLower(f[2]), ",")...)
		case "content-length":
			length = f[2]
		case "transfer-encoding":
			chunked = true
		}
	}
	if len(hosts) > 1 || len(hosts) == 0 && minor {
		return "", 400
	}
	host := strings.Join(hosts, "")
	if !twinValidHost(host) {
		return "", 400
	}
	path, query := "", ""
	switch {
	case method == "CONNECT":
		m := twinHost.FindStringSubmatch(target)
		if !twinValidHost(target) || m[3] == "" {
			return "", 400
		}
	case target == "*":
		if method != "OPTIONS" {
			return "", 400
		}
	default:
		m := twinTarget.FindStringSubmatch(target)
		if m == nil || m[1] == "" && m[2] == "" || m[1] != "" && !twinValidHost(m[1]) {
			return "", 400
		}
		if m[1] != "" {
			host = m[1]
		}
		path, query = m[2], m[4]
	}
	if chunked && length != "" {
		return "", 400
	}
	has := func(option string) bool {
		return slices.ContainsFunc(connection, func(s string) bool { return strings.Trim(s, " \t") == option })
	}
	n, _ := strconv.ParseInt(length, 10, 64)
	closes := has("close") || !minor && !has("keep-alive")
	return fmt.Sprintf("%q %q %q %q %q %v %q %v %d %v", method, target, path, query, host, minor, fields, chunked, n, closes), 0
}

func twinValidHost(s string) bool {
	m := twinHost.FindStringSubmatch(s)
	if m == nil || m[1] == "" && m[2] != "" {
		return false
	}
	port, err := strconv.Atoi(m[3])
	return m[3] == "" || err == nil && port <= 65535
}

// latin1 maps each byte to a rune, as the twin does.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func (h *head) describe() string {
	var fields []string
	for _, f := range h.fields {
		fields = append(fields, latin1(f.name.of(h.buf))+"="+latin1(f.value.of(h.buf)))
	}
	return fmt.Sprintf("%q %q %q %q %q %v %q %v %d %v", latin1(h.method.of(h.buf)), latin1(h.target.of(h.buf)), latin1(h.path.of(h.buf)),
		latin1(h.query.of(h.buf)), latin1(h.host.of(h.buf)), h.minor == 1, fields, h.framing.chunked, h.framing.length, h.framing.close)
}

// againstTwin parses b in the pieces that cut makes, and compares with the twin.
func againstTwin(t *testing.T, b []byte, maxBytes, maxFields int, cut func(have int) int) {
	t.Helper()
	what, size, status := twinHead(b, maxBytes, maxFields)
	var h head
	for have := 0; ; {
		have = min(cut(have), len(b))
		n, err := h.parse(b[:have], maxBytes, maxFields)
		switch {
		case err != nil:
			if err.Status != status {
				t.Fatalf("%q: %v; the twin: %d %s", b, err, status, what)
			}
			if !err.Close {
				t.Fatalf("%q: %v leaves the connection open", b, err)
			}
			return
		case n > 0:
			if status != 0 || n != size || h.describe() != what {
				t.Fatalf("%q: %d %s; the twin: %d, %d %s", b, n, h.describe(), status, size, what)
			}
			return
		case have == len(b):
			if status != -1 {
				t.Fatalf("%q: more is wanted; the twin: %d %s", b, status, what)
			}
			return
		}
	}
}

// FuzzHeadTwin holds the parser against its twin, and in every chunking against itself.
func FuzzHeadTwin(f *testing.F) {
	for _, c := range loadCases(f) {
		if len(c.steps) > 0 && len(c.steps[0].data) < 2000 {
			f.Add(c.steps[0].data, uint8(3))
		}
	}
	for _, s := range []string{
		"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "CONNECT [::1] HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: t\r\nA: caf\xc3\xa9 \t\r\nB:\t\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\nA: 12345678\x7f1234567\r\n\r\n",
		"GET http://u@h/ HTTP/1.1\r\nHost: t\r\n\r\n", "GET HTTP://h?q HTTP/1.1\r\nHost: t\r\n\r\n", "\r\n\x16\x03", strings.Repeat("\xC0", 2000), strings.Repeat("x", 2000), strings.Repeat("\xC0", 2000) + "\r\n",
	} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		maxBytes, maxFields := 200+int(size), 3+int(size%8)
		againstTwin(t, b, maxBytes, maxFields, func(int) int { return len(b) })
		againstTwin(t, b, maxBytes, maxFields, func(have int) int { return have + 1 + int(size%16) })
		if len(b) < 300 {
			for at := range b { // each cut point
				againstTwin(t, b, maxBytes, maxFields, func(have int) int {
					if have < at {
						return at
					}
					return len(b)
				})
			}
		}
	})
}
