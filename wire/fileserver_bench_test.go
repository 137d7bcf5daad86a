package wire

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkFiles: a file of 4 KiB from an os.Root, and the answer that it is unchanged,
// with net/http as a column. The client is part of what is measured, alike for both.
func BenchmarkFiles(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.css"), make([]byte, 4<<10), 0o644); err != nil {
		b.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	addr, _ := serveCases(b, func(c *Config) { c.Handler = FileServer(root.FS(), FileOptions{}) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	theirs := &http.Server{Handler: http.FileServerFS(root.FS())}
	go theirs.Serve(l)
	defer theirs.Close()
	for _, request := range []struct{ name, fields string }{{"whole", ""}, {"unchanged", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"}} {
		for _, server := range []struct{ name, addr string }{{"wire", addr}, {"nethttp", l.Addr().String()}} {
			b.Run(request.name+"/"+server.name, func(b *testing.B) {
				nc, err := net.Dial("tcp", server.addr)
				if err != nil {
					b.Fatal(err)
				}
				defer nc.Close()
				send, buf := []byte("GET /f.css HTTP/1.1\r\nHost: t\r\n"+request.fields+"\r\n"), make([]byte, 16<<10)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := nc.Write(send); err != nil {
						b.Fatal(err)
					}
					if request.fields != "" {
						if n, err := nc.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 304")) {
							b.Fatalf("%q, %v", buf[:n], err)
						}
						continue
					}
					n, err := io.ReadAtLeast(nc, buf, 4<<10)
					if err != nil {
						b.Fatal(err)
					}
					if end := bytes.Index(buf[:n], []byte("\r\n\r\n")) + 4 + 4<<10; n < end {
						if _, err := io.ReadFull(nc, buf[n:end]); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
