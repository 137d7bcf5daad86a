package wire

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestBodySmallReads: a body comes whole through buffers of any size, in each framing.
func TestBodySmallReads(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			var size int
			if _, err := fmt.Sscan(r.Header("X-Buffer"), &size); err != nil {
				return err
			}
			var all []byte
			for p := make([]byte, size); ; {
				n, err := r.Body().Read(p)
				if n > size {
					return fmt.Errorf("Read of %d bytes into %d", n, size)
				}
				all = append(all, p[:n]...)
				if err == io.EOF {
					return w.Send(200, "text/plain", all)
				}
				if err != nil {
					return err
				}
			}
		}
	})
	_, do := dial(t, addr)
	body := strings.Repeat("0123456789", 1000)
	for _, size := range []int{1, 7, 100, 4096, 100000} {
		for _, framed := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1\r\n!\r\n0\r\n\r\n", len(body), body),
		} {
			resp := do(fmt.Sprintf("POST / HTTP/1.1\r\nHost: t\r\nX-Buffer: %d\r\n", size) + framed)
			if got := strings.TrimSuffix(text(t, resp), "!"); got != body {
				t.Errorf("buffer of %d: %d with %d bytes, want %d", size, resp.StatusCode, len(got), len(body))
			}
		}
	}
}
