package wire_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log"
	"net"
	"strings"
	"testing/fstest"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// answer serves h for one request and shows the response with the fields asked for.
func answer(h wire.Handler, q *wire.ClientRequest, fields ...string) {
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	c, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	q.URL = "http://" + l.Addr().String() + q.URL
	r, err := c.Do(context.Background(), q)
	if err != nil {
		log.Fatal(err)
	}
	body, err := r.ReadAll(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.StatusCode())
	for _, f := range fields {
		fmt.Println(f+":", r.Header(f))
	}
	fmt.Print(string(body))
}

// Files of an embed.FS, or of the FS of an os.Root, with their compressed forms.
func ExampleFileServer() {
	public := fstest.MapFS{
		"index.html":        {Data: []byte("<h1>Hello</h1>\n")},
		"app.1f3870be.js":   {Data: []byte("console.log(1)\n")},
		"private/.htaccess": {Data: []byte("secret")},
	}
	files := wire.FileServer(public, wire.FileOptions{
		Precompressed: true,
		Immutable:     func(name string) bool { return strings.HasSuffix(name, ".js") },
	})
	rt := wire.NewRouter()
	if err := rt.Get("/{path...}", files); err != nil {
		log.Fatal(err)
	}
	answer(rt.Handler(), &wire.ClientRequest{URL: "/app.1f3870be.js"}, "Content-Type", "Cache-Control", "ETag")
	answer(rt.Handler(), &wire.ClientRequest{URL: "/", Header: [][2]string{{"Range", "bytes=4-8"}}}, "Content-Range")
	// Output:
	// 200
	// Content-Type: text/javascript; charset=utf-8
	// Cache-Control: public, max-age=31536000, immutable
	// ETag: "3879a5d930ae1999b278a3a498f7de3f"
	// console.log(1)
	// 206
	// Content-Range: bytes 4-8/15
	// Hello
}

// A representation that is no file, with its conditions and ranges.
func ExampleResponse_ServeContent() {
	report := "one\ntwo\n"
	h := func(w *wire.Response, r *wire.Request) error {
		return w.ServeContent(r, wire.Content{
			Body: strings.NewReader(report), Size: int64(len(report)), Type: "text/plain; charset=utf-8",
			ETag: `"7"`, Modified: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		})
	}
	answer(h, &wire.ClientRequest{URL: "/"}, "Last-Modified")
	answer(h, &wire.ClientRequest{URL: "/", Header: [][2]string{{"If-None-Match", `"7"`}}}, "ETag")
	// Output:
	// 200
	// Last-Modified: Thu, 29 Feb 2024 12:00:00 GMT
	// one
	// two
	// 304
	// ETag: "7"
}

// A change that must not overwrite one the client has not seen.
func ExampleCheckPreconditions() {
	h := func(w *wire.Response, r *wire.Request) error {
		if status := wire.CheckPreconditions(r, wire.Representation{ETag: `"8"`}); status != 0 {
			return w.Send(status, "text/plain", []byte("the article is at version 8\n"))
		}
		return w.Send(204, "", nil)
	}
	answer(h, &wire.ClientRequest{Method: "PUT", URL: "/", Header: [][2]string{{"If-Match", `"7"`}}})
	// Output:
	// 412
	// the article is at version 8
}

// Compressed where the client wants it; the client of this package undoes it by itself.
func ExampleCompress() {
	compress, err := wire.Compress(wire.CompressConfig{})
	if err != nil {
		log.Fatal(err)
	}
	h := compress(func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/plain", []byte(strings.Repeat("All work and no play. ", 100)))
	})
	answer(h, &wire.ClientRequest{Method: "HEAD", URL: "/", Header: [][2]string{{"Accept-Encoding", "gzip"}}}, "Content-Encoding", "Vary")
	// Output:
	// 200
	// Content-Encoding: gzip
	// Vary: Accept-Encoding
}

// A form with a file, which lies on disk while the handler runs.
func ExampleRequest_Form() {
	h := func(w *wire.Response, r *wire.Request) error {
		form, err := r.Form(wire.FormLimits{MaxFileBytes: 10 << 20})
		if err != nil {
			return err
		}
		photo := form.File("photo")
		if photo == nil {
			return wire.Errorf(422, "a photo is needed")
		}
		return w.Send(200, "text/plain", fmt.Appendf(nil, "%s: %s of %d bytes\n", form.Get("title"), photo.Name, photo.Size))
	}
	body := strings.ReplaceAll(`--x
Content-Disposition: form-data; name="title"

Sunrise
--x
Content-Disposition: form-data; name="photo"; filename="C:\photos\sun.jpg"
Content-Type: image/jpeg

not really
--x--
`, "\n", "\r\n")
	answer(h, &wire.ClientRequest{Method: "POST", URL: "/", Header: [][2]string{{"Content-Type", "multipart/form-data; boundary=x"}}, Body: strings.NewReader(body)})
	// Output:
	// 200
	// Sunrise: sun.jpg of 10 bytes
}

// An upload of any size that is not kept: each part is read as it arrives.
func ExampleRequest_Parts() {
	h := func(w *wire.Response, r *wire.Request) error {
		for part, err := range r.Parts(wire.FormLimits{}) {
			if err != nil {
				return err
			}
			n, err := io.Copy(io.Discard, part)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s: %d bytes\n", part.Name, n)
		}
		return nil
	}
	body := "--x\r\nContent-Disposition: form-data; name=a\r\n\r\none\r\n--x--\r\n"
	answer(h, &wire.ClientRequest{Method: "POST", URL: "/", Header: [][2]string{{"Content-Type", "multipart/form-data; boundary=x"}}, Body: strings.NewReader(body)})
	// Output:
	// 200
	// a: 3 bytes
}

// Events from a channel, until the client goes or the channel is closed.
func ExampleResponse_Events() {
	h := func(w *wire.Response, r *wire.Request) error {
		events, err := w.Events(r)
		if err != nil {
			return err
		}
		feed := make(chan wire.Event, 2) // of a subscription, in life
		feed <- wire.Event{ID: "41", Data: "the first after " + events.LastEventID()}
		feed <- wire.Event{Name: "note", Data: "two\nlines"}
		close(feed)
		return events.Pump(feed, 0)
	}
	answer(h, &wire.ClientRequest{URL: "/", Header: [][2]string{{"Last-Event-ID", "40"}}}, "Content-Type")
	// Output:
	// 200
	// Content-Type: text/event-stream
	// id: 41
	// data: the first after 40
	//
	// event: note
	// data: two
	// data: lines
}

// An export in constant memory: the client's pace is that of the source.
func ExampleResponse_Lines() {
	var records iter.Seq2[[]byte, error] = func(yield func([]byte, error) bool) {
		for i := range 3 {
			if !yield(fmt.Appendf(nil, `{"id":%d}`, i), nil) {
				return
			}
		}
	}
	h := func(w *wire.Response, r *wire.Request) error {
		lines, err := w.Lines(r, "")
		if err != nil {
			return err
		}
		return lines.All(records)
	}
	answer(h, &wire.ClientRequest{URL: "/"}, "Content-Type")
	// Output:
	// 200
	// Content-Type: application/x-ndjson
	// {"id":0}
	// {"id":1}
	// {"id":2}
}

// Cookies are safe unless something else is said.
func ExampleResponse_SetCookie() {
	h := func(w *wire.Response, r *wire.Request) error {
		theme, ok := r.Cookie("theme")
		if !ok {
			theme = "light"
		}
		if err := w.SetCookie(wire.Cookie{Name: "__Host-session", Value: "8f2c", MaxAge: 24 * time.Hour}); err != nil {
			return err
		}
		return w.Send(200, "text/plain", []byte(theme+"\n"))
	}
	answer(h, &wire.ClientRequest{URL: "/", Header: [][2]string{{"Cookie", "theme=dark"}}}, "Set-Cookie")
	// Output:
	// 200
	// Set-Cookie: __Host-session=8f2c; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax
	// dark
}
