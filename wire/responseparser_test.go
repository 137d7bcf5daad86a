package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// parsed is all that came out of the response parser.
type parsed struct {
	status   int
	fields   string // "name: value\n"...
	content  string
	trailers string
	interims int
	used     int
	err      error
}

// parseResponse gives b to the parser in pieces and then the connection's end.
func parseResponse(b []byte, head bool, cut func(have int) int) (out parsed) {
	p := responseParser{isHead: head, maxBytes: 1 << 12, maxCount: 50, interims: 3, room: 1 << 20, chunk: chunkReader{limit: 1 << 10}}
	for have := 0; ; {
		ev, n, data, err := p.next(b[out.used:have])
		out.used += n
		switch {
		case err != nil:
			out.err = err
			return out
		case ev == interimHead:
			out.interims++
		case ev == finalHead:
			out.status = p.head.status
			for _, f := range p.head.fields {
				out.fields += strings.ToLower(string(f.name.of(p.head.buf))) + ": " + string(f.value.of(p.head.buf)) + "\n"
			}
		case ev == content:
			out.content += string(data)
		case ev == endOfResponse:
			for _, f := range p.chunk.trailers {
				out.trailers += f.Name + ": " + f.Value + "\n"
			}
			return out
		case have == len(b):
			out.err = p.eof(len(b) > 0)
			return out
		default:
			have = min(cut(have), len(b))
		}
	}
}

// TestResponseParserAnyCut feeds the hostile replies in every cut: the events are the
// same.
func TestResponseParserAnyCut(t *testing.T) {
	for _, h := range hostile {
		b := []byte(h.reply)
		if len(b) > 2000 {
			continue
		}
		whole := parseResponse(b, false, func(int) int { return len(b) })
		check := func(how string, got parsed) {
			if errors.Is(got.err, ErrMalformedResponse) && errors.Is(whole.err, ErrMalformedResponse) {
				got.err, got.used = whole.err, whole.used // a line may be seen to be broken at an earlier byte
			}
			if got != whole {
				t.Errorf("%s: whole %+v, %s %+v", h.name, whole, how, got)
			}
		}
		check("byte by byte", parseResponse(b, false, func(have int) int { return have + 1 }))
		for i := range b {
			check("in two", parseResponse(b, false, func(have int) int {
				if have < i {
					return i
				}
				return len(b)
			}))
		}
	}
}

// FuzzResponse holds the parser of responses against net/http's: what is accepted here is
// accepted there, and is the same. Deliberate differences, where net/http accepts more:
// both framings, equal Content-Lengths twice, no space behind the status code, bare LF,
// folded lines, empty lines within chunked coding, leading zeros and signs it trims. The
// one where it accepts less is told below.
func FuzzResponse(f *testing.F) {
	for _, h := range hostile {
		if len(h.reply) < 2000 {
			f.Add([]byte(h.reply), false, uint8(3))
			f.Add([]byte(h.reply), true, uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, head bool, size uint8) {
		got := parseResponse(b, head, func(int) int { return len(b) })
		cut := parseResponse(b, head, func(have int) int { return have + int(size%9) + 1 })
		if (got.err == nil) != (cut.err == nil) || got.err == nil && got != cut {
			t.Fatalf("whole %+v, in pieces %+v", got, cut)
		}
		if got.err != nil || got.status == 0 {
			return
		}
		method := "GET"
		if head {
			method = "HEAD"
		}
		br := bufio.NewReader(bytes.NewReader(b))
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		for range got.interims {
			if err != nil {
				break
			}
			resp, err = http.ReadResponse(br, &http.Request{Method: method})
		}
		if err != nil {
			t.Fatalf("accepted %q as %+v, net/http: %v", b, got, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != got.status || string(body) != got.content {
			t.Fatalf("accepted %q as %+v, net/http: %d %q, %v", b, got, resp.StatusCode, body, err)
		}
		for line := range strings.Lines(got.fields) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "content-length", "transfer-encoding", "connection", "trailer", "pragma", "cache-control":
				continue // net/http takes these out or changes them
			}
			if !hasValue(resp.Header, name, value) {
				t.Fatalf("%q: field %q: %q is not what net/http has: %q", b, name, value, resp.Header)
			}
		}
	})
}
