package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// parseHead is what the connection does with a head that arrives in pieces: after each
// piece it looks again. It returns the size of the head.
func parseHead(b []byte, cut func(have int) int) (h head, n int, err *Error) {
	for have := 0; ; {
		have = min(cut(have), len(b))
		if n, err = h.parse(b[:have], 64<<10, 100); n > 0 || err != nil || have == len(b) {
			return h, n, err
		}
	}
}

func headSeeds(f *testing.F) {
	for _, c := range loadCases(f) {
		if len(c.steps) > 0 && len(c.steps[0].data) < 2000 {
			f.Add(c.steps[0].data)
		}
	}
}

// FuzzHead holds the parser of heads against net/http: what is accepted here is accepted
// there, and means the same. The other direction is wider there, on purpose (package
// doc). The same bytes in single pieces give the same result.
func FuzzHead(f *testing.F) {
	headSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseHead(b, func(int) int { return len(b) })
		one, m, err1 := parseHead(b, func(have int) int { return have + 1 })
		if len(b) > 0 && (n != m || (err == nil) != (err1 == nil) || err != nil && err.Status != err1.Status) {
			t.Fatalf("whole: %d, %v; byte by byte: %d, %v", n, err, m, err1)
		}
		if err != nil || n == 0 {
			return
		}
		if len(h.fields) != len(one.fields) || h.framing != one.framing {
			t.Fatalf("whole and byte by byte differ: %+v, %+v", h, one)
		}
		want, werr := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(b[:n], "\r\n")))) // empty lines in front are skipped here
		if werr != nil {
			if stricter(werr.Error(), &h) {
				return
			}
			t.Fatalf("accepted %q, net/http: %v", b[:n], werr)
		}
		got := struct{ method, target, host string }{string(h.method.of(h.buf)), string(h.target.of(h.buf)), string(h.host.of(h.buf))}
		if got.method != want.Method || got.target != want.RequestURI {
			t.Fatalf("%q: %+v, net/http %s %s", b[:n], got, want.Method, want.RequestURI)
		}
		if got.method != "CONNECT" && !strings.EqualFold(got.host, want.Host) {
			t.Fatalf("%q: host %q, net/http %q", b[:n], got.host, want.Host)
		}
		for _, fl := range h.fields {
			name, value := string(fl.name.of(h.buf)), string(fl.value.of(h.buf))
			if strings.EqualFold(name, "host") || strings.EqualFold(name, "transfer-encoding") || strings.EqualFold(name, "content-length") ||
				strings.EqualFold(name, "connection") || strings.EqualFold(name, "trailer") || strings.EqualFold(name, "pragma") || strings.EqualFold(name, "cache-control") {
				continue // net/http takes these out or changes them
			}
			if !hasValue(want.Header, name, value) {
				t.Fatalf("%q: field %q: %q is not what net/http has: %q", b[:n], name, value, want.Header)
			}
		}
		length := int64(h.framing.length)
		if h.framing.chunked {
			length = -1
		}
		if length != want.ContentLength {
			t.Fatalf("%q: length %d, net/http %d", b[:n], length, want.ContentLength)
		}
	})
}

func hasValue(h http.Header, name, value string) bool {
	for n, vs := range h {
		if strings.EqualFold(n, name) {
			for _, v := range vs {
				if v == value {
					return true
				}
			}
		}
	}
	return false
}

// stricter recognises what net/http's ReadRequest refuses because it parses the target
// as a URL, which wire leaves to the router: broken percent-encoding above all.
func stricter(msg string, h *head) bool {
	return strings.Contains(msg, "invalid URL escape") || strings.Contains(msg, "invalid URI for request") || strings.Contains(msg, "invalid port") ||
		strings.Contains(msg, "invalid host") || strings.Contains(msg, "parse ") || h.minor == 1 && strings.Contains(msg, "malformed HTTP version")
}

// FuzzChunked holds the chunked coding against net/http's reader: what is accepted here is
// the same body there. Cut anywhere, the same bytes give the same result.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "a;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n", "5\r\nhello0\r\n\r\n", "G\r\n", "1\nx\n0\n\n", "1;\"q\\\"\r\nx\r\n0\r\n\r\n"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		whole, rest, done, bad := readChunked(b, len(b)+1)
		pieces, rest2, done2, bad2 := readChunked(b, int(size%7)+1)
		if !bytes.Equal(whole, pieces) && !bad || done != done2 || bad != bad2 || done && rest != rest2 {
			t.Fatalf("whole %q %d %v %v; in pieces %q %d %v %v", whole, rest, done, bad, pieces, rest2, done2, bad2)
		}
		if !done {
			return
		}
		body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b)))
		if err != nil || !bytes.Equal(body, whole) {
			t.Fatalf("accepted %q as %q, net/http: %q, %v", b, whole, body, err)
		}
	})
}

// readChunked decodes b given to the decoder in pieces of that size at most.
func readChunked(b []byte, size int) (body []byte, used int, done, bad bool) {
	c := chunkReader{limit: 1 << 10}
	have := 0
	for {
		data, n, err := c.next(b[used:have])
		body = append(body, data...)
		used += n
		switch {
		case err != nil:
			return body, used, false, true
		case c.state == chunkDone && len(data) == 0:
			return body, used, true, false
		case n == 0 && len(data) == 0:
			if have == len(b) {
				return body, used, false, false
			}
			have = min(len(b), have+size)
		}
	}
}

// FuzzQuery holds the query parser against its own obvious twin.
func FuzzQuery(f *testing.F) {
	f.Add("a=1&b=%20+x&&c&=d&%zz=1&e=a=b")
	f.Fuzz(func(t *testing.T, raw string) {
		q := ParseQuery(raw)
		n := 0
		for _, part := range strings.Split(raw, "&") {
			if part != "" {
				n++
			}
		}
		if len(q.Pairs) != n {
			t.Fatalf("%q: %d pairs, want %d", raw, len(q.Pairs), n)
		}
		for _, p := range q.Pairs {
			if q.Get(p[0]) == "" && p[1] != "" && !q.Has(p[0]) {
				t.Fatalf("%q: %q is not found", raw, p[0])
			}
		}
	})
}
