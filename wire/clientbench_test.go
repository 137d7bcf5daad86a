package wire

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func benchServer(b *testing.B) string {
	addr, _ := serveCases(b, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			body, err := r.BorrowBody(0)
			if err != nil {
				return err
			}
			if len(body) == 0 {
				body = []byte("Hello, World!")
			}
			return w.Send(200, "text/plain", body)
		}
	})
	return "http://" + addr + "/plain"
}

func BenchmarkClientGet(b *testing.B) {
	url := benchServer(b)
	b.Run("wire", func(b *testing.B) {
		c := newClient(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r, err := c.Get(b.Context(), url)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.ReadAll(0); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("net/http", func(b *testing.B) {
		c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r, err := c.Get(url)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadAll(r.Body); err != nil {
					b.Fatal(err)
				}
				r.Body.Close()
			}
		})
	})
}

func BenchmarkClientPost(b *testing.B) {
	url, body := benchServer(b), strings.Repeat("x", 1024)
	b.Run("wire", func(b *testing.B) {
		c := newClient(b)
		b.ReportAllocs()
		for b.Loop() {
			r, err := c.Post(b.Context(), url, "text/plain", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.ReadAll(0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		c := &http.Client{}
		b.ReportAllocs()
		for b.Loop() {
			r, err := c.Post(url, "text/plain", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				b.Fatal(err)
			}
			r.Body.Close()
		}
	})
}
