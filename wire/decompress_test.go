package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	if _, err := zw.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecompress(t *testing.T) {
	const limit = 64 << 10
	length := int64(0)
	echo := func(w *Response, r *Request) error {
		length = r.ContentLength()
		read := func() ([]byte, error) { return r.BorrowBody(0) }
		if r.HasHeader("X-Stream") {
			read = func() ([]byte, error) { return io.ReadAll(r.Body()) }
		}
		b, err := read()
		if err != nil {
			return err
		}
		return w.Send(200, "text/plain", b)
	}
	addr, _ := serveCases(t, func(c *Config) {
		c.MaxBodyBytes = limit
		c.Handler = Decompress()(func(w *Response, r *Request) error {
			if r.HasHeader("X-Small") {
				return BodyLimit(1000)(echo)(w, r)
			}
			return echo(w, r)
		})
	})
	z := gzipOf(t, longText)
	flipped := bytes.Clone(z)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	bomb := gzipOf(t, make([]byte, 32<<20))
	if len(bomb) > limit {
		t.Fatalf("the bomb has %d bytes: it would be refused as it is", len(bomb))
	}
	exact := gzipOf(t, make([]byte, limit))
	for _, c := range []struct {
		what, fields string
		body         []byte
		status       int
		want         []byte
	}{
		{"gzip", "Content-Encoding: gzip\r\n", z, 200, longText},
		{"x-gzip (9110 §8.4.1.3)", "Content-Encoding: X-GZIP\r\n", z, 200, longText},
		{"identity", "Content-Encoding: identity\r\n", longText, 200, longText},
		{"none", "", longText, 200, longText},
		{"two members (1952 §2.2)", "Content-Encoding: gzip\r\n", append(bytes.Clone(z), z...), 200, append(bytes.Clone(longText), longText...)},
		{"exactly the limit", "Content-Encoding: gzip\r\n", exact, 200, make([]byte, limit)},
		{"one byte more", "Content-Encoding: gzip\r\n", gzipOf(t, make([]byte, limit+1)), 413, nil},
		{"bomb", "Content-Encoding: gzip\r\n", bomb, 413, nil},
		{"lower limit of a handler", "X-Small: 1\r\nContent-Encoding: gzip\r\n", z, 413, nil},
		{"bomb of empty members", "Content-Encoding: gzip\r\n", bytes.Repeat(gzipOf(t, nil), 4000), 413, nil},
		{"twice (bomb in a bomb)", "Content-Encoding: gzip, gzip\r\n", z, 415, nil},
		{"twice in two fields", "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", z, 415, nil},
		{"br", "Content-Encoding: br\r\n", z, 415, nil},
		{"not gzip at all", "Content-Encoding: gzip\r\n", longText, 400, nil},
		{"checksum", "Content-Encoding: gzip\r\n", flipped, 400, nil},
		{"rubbish behind", "Content-Encoding: gzip\r\n", append(bytes.Clone(z), "rubbish!!!"...), 400, nil},
		{"cut", "Content-Encoding: gzip\r\n", z[:len(z)-1], 400, nil},
		{"cut in the header", "Content-Encoding: gzip\r\n", z[:5], 400, nil},
	} {
		for _, mode := range []string{"", "X-Stream: 1\r\n", "chunked"} {
			_, do := dial(t, addr)
			msg := fmt.Sprintf("POST / HTTP/1.1\r\nHost: t\r\n%s%sContent-Length: %d\r\n\r\n%s", c.fields, mode, len(c.body), c.body)
			if mode == "chunked" {
				msg = fmt.Sprintf("POST / HTTP/1.1\r\nHost: t\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", c.fields, len(c.body), c.body)
			}
			resp := do(msg)
			body := text(t, resp)
			if resp.StatusCode != c.status || c.want != nil && body != string(c.want) {
				t.Errorf("%s (%s): %d with %d bytes, want %d with %d: %.100q", c.what, strings.TrimSpace(mode), resp.StatusCode, len(body), c.status, len(c.want), body)
			}
			if c.status == 415 && resp.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("%s: 415 without Accept-Encoding", c.what)
			}
			if c.status == 200 && strings.Contains(strings.ToLower(c.fields), "gzip") && length != -1 {
				t.Errorf("%s: ContentLength %d", c.what, length)
			}
			if c.status == 200 { // the connection goes on
				if resp := do("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nok"); text(t, resp) != "ok" {
					t.Errorf("%s: the next request fails", c.what)
				}
			}
		}
	}
}

func TestInflater(t *testing.T) {
	z := gzipOf(t, longText)
	mine := errors.New("mine")
	for _, c := range []struct {
		what string
		src  io.Reader
		max  int64
		n    int
		err  error
	}{
		{"whole", bytes.NewReader(z), 1 << 20, len(longText), nil},
		{"byte by byte", iotest.OneByteReader(bytes.NewReader(z)), int64(len(longText)), len(longText), nil},
		{"too large", bytes.NewReader(z), int64(len(longText)) - 1, len(longText) - 1, ErrInflated},
		{"source fails at once", iotest.ErrReader(mine), 1 << 20, 0, mine},
		{"source fails later", io.MultiReader(bytes.NewReader(z[:20]), iotest.ErrReader(mine)), 1 << 20, -1, mine},
		{"empty", strings.NewReader(""), 1 << 20, 0, io.ErrUnexpectedEOF},
		{"cut", bytes.NewReader(z[:len(z)/2]), 1 << 20, -1, io.ErrUnexpectedEOF},
		{"no gzip", strings.NewReader("no gzip, really not"), 1 << 20, 0, ErrCoding},
	} {
		f := newInflater(c.src, c.max)
		b, err := io.ReadAll(f)
		if err != c.err || c.n >= 0 && len(b) > c.n || c.err == nil && !bytes.Equal(b, longText) {
			t.Errorf("%s: %d bytes, %v; want %d, %v", c.what, len(b), err, c.n, c.err)
		}
		want := c.err
		if want == nil {
			want = io.EOF
		}
		if _, again := f.Read(make([]byte, 1)); again != want || f.z != nil {
			t.Errorf("%s: the error does not stick: %v", c.what, again)
		}
	}
}

// TestLargeBody: a handler may take more than the server, with and without a coding.
func TestLargeBody(t *testing.T) {
	size := func(w *Response, r *Request) error {
		n, err := io.Copy(io.Discard, r.Body())
		if err != nil {
			return err
		}
		return w.Send(200, "text/plain", fmt.Append(nil, n))
	}
	addr, _ := serveCases(t, func(c *Config) {
		c.MaxBodyBytes = 1000
		rt := NewRouter()
		if err := errors.Join(rt.Post("/small", size), rt.Post("/large", size, LargeBody(5000)), rt.Post("/both", size, LargeBody(5000), BodyLimit(3000)), rt.Post("/less", size, LargeBody(10))); err != nil {
			t.Fatal(err)
		}
		c.Handler = Decompress()(rt.Handler())
	})
	noise := make([]byte, 5001)
	for i := range noise {
		noise[i] = byte(i * i >> 5)
	}
	for _, c := range []struct {
		path string
		n    int
		ok   bool
	}{{"/small", 1000, true}, {"/small", 1001, false}, {"/large", 5000, true}, {"/large", 5001, false}, {"/both", 3000, true}, {"/both", 3001, false}, {"/less", 10, true}, {"/less", 11, false}} {
		for _, b := range [][]byte{noise[:c.n], gzipOf(t, noise[:c.n])} {
			coding := ""
			if len(b) > 2 && b[0] == 0x1F && b[1] == 0x8B {
				coding = "Content-Encoding: gzip\r\n"
			}
			for _, framed := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(b), b), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(b), b)} {
				_, do := dial(t, addr)
				resp := do("POST " + c.path + " HTTP/1.1\r\nHost: t\r\n" + coding + framed)
				if got := text(t, resp); (resp.StatusCode == 200) != c.ok || c.ok && got != fmt.Sprint(c.n) || !c.ok && resp.StatusCode != 413 {
					t.Errorf("%s with %d bytes (%d sent): %d %.60q", c.path, c.n, len(b), resp.StatusCode, got)
				}
			}
		}
	}
}
