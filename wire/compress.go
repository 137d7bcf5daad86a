package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"sync"
)

// CompressConfig says which responses are compressed. The zero value takes the defaults.
type CompressConfig struct {
	Level    int // of gzip, 1 (fast) to 9 (small); default 6
	MinBytes int // bodies known to be shorter are sent as they are; default 1,024 bytes

	// Types are the media types worth compressing: exact, "text/*" for a whole type, or
	// "*+json" for a suffix. Default: text/*, *+json, *+xml and JSON, NDJSON, JavaScript,
	// XML, WebAssembly, uncompressed fonts and bitmaps. text/event-stream is never compressed.
	Types []string
}

var compressibleTypes = []string{
	"text/*", "*+json", "*+xml", "application/json", "application/x-ndjson", "application/ndjson", "application/javascript", "application/xml",
	"application/wasm", "font/ttf", "font/otf", "application/vnd.ms-fontobject", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
}

// codedTag is put at the end of strong entity tags of gzipped responses.
const codedTag = "+gzip"

// Compress sends responses in the gzip content coding to clients that ask for it (RFC
// 9110 §8.4.1.3, §12.5.3), with the weights of Accept-Encoding: gzip;q=0, identity;q=0
// and * are heeded, and 406 is the answer when neither gzip nor identity is acceptable.
//
// Left as they are: short bodies, other media types, text/event-stream, responses with
// Content-Encoding, Content-Range or a digest of their content, 206, 204 and 304, those
// with Cache-Control: no-transform, and what did not get shorter. All that may be
// compressed get Vary: Accept-Encoding.
//
// The compressed form is another representation: a strong ETag gets the suffix "+gzip"
// within its quotes, and requests that name such a tag in If-Match or If-None-Match are
// seen by handlers without the suffix, so conditional requests go on working. If-Range
// keeps it: a range of the plain form does not continue the compressed one.
//
// Flush makes all bytes so far decodable for the client. Pages that carry a secret next
// to text that a stranger can choose should not be compressed (BREACH): see
// [Response.NoCompress].
//
// The returned error names a bad field of cfg.
func Compress(cfg CompressConfig) (Middleware, error) {
	if cfg.Level < 0 || cfg.Level > 9 {
		return nil, fmt.Errorf("wire: CompressConfig.Level: %d is not 1 to 9", cfg.Level)
	}
	if cfg.MinBytes < 0 {
		return nil, errors.New("wire: CompressConfig.MinBytes is negative")
	}
	if cfg.Level == 0 {
		cfg.Level = 6
	}
	if cfg.MinBytes == 0 {
		cfg.MinBytes = 1 << 10
	}
	if cfg.Types == nil {
		cfg.Types = compressibleTypes
	}
	z := &compressor{CompressConfig: cfg}
	z.pool.New = func() any { return &gzipCoder{z: z} }
	return z.wrap, nil
}

// compressor is what the responses of one Compress share.
type compressor struct {
	CompressConfig
	pool sync.Pool // of *gzipCoder, some 800 KiB each once they have compressed
}

func (z *compressor) wrap(next Handler) Handler {
	return func(w *Response, r *Request) error {
		if w.coder != nil {
			return next(w, r)
		}
		accepted := acceptedCodings(&r.head)
		choice := accepted.choose(true, false)
		if choice == refused {
			return &Error{Status: 406, Detail: "neither gzip nor identity is acceptable to the client", Header: [][2]string{{"Vary", "Accept-Encoding"}}}
		}
		g := z.pool.Get().(*gzipCoder)
		g.choice = choice
		g.must = accepted.choose(false, false) == refused
		g.named = plainTags(&r.head)
		w.coder = g
		return next(w, r)
	}
}

// NoCompress keeps [Compress] from this response. It has no effect after the start.
func (w *Response) NoCompress() {
	if !w.started && w.coder != nil {
		w.coder.release()
		w.coder = nil
	}
}

// plainTags takes the suffix of compressed forms off the entity tags in If-Match and
// If-None-Match, in place: blanks behind the tag take up its room. named says that there
// was one.
func plainTags(h *head) (named bool) {
	for i := range h.fields {
		f := &h.fields[i]
		name := f.name.of(h.buf)
		if !equalFold(name, "if-none-match") && !equalFold(name, "if-match") {
			continue
		}
		const end = codedTag + `"`
		for b := f.value.of(h.buf); ; named = true {
			i := bytes.Index(b, []byte(end))
			if i < 0 {
				break
			}
			copy(b[i:], `"     `)
			b = b[i+len(end):]
		}
	}
	return named
}

// gzipCoder compresses one response.
type gzipCoder struct {
	z      *compressor
	choice contentCoding // what the client likes best
	must   bool          // identity is not acceptable
	named  bool          // the request named the tag of a compressed form
	zw     *gzip.Writer
	out    appendWriter
}

// appendWriter gathers what is written.
type appendWriter []byte

func (a *appendWriter) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// begin implements coder.
func (g *gzipCoder) begin(w *Response, final bool) bool {
	f := fieldsOf(w.fields)
	if w.status == 304 && g.named && g.choice == gzipped {
		suffixTag(w) // the client asked about the compressed form
	}
	if !g.eligible(w, &f) {
		g.release()
		return false
	}
	if !f.varies {
		w.fields = append(w.fields, "Vary: Accept-Encoding\r\n"...)
	}
	size := w.length
	if final && size < 0 {
		size = int64(len(w.body))
	}
	if g.choice != gzipped || !g.must && size >= 0 && size < int64(g.z.MinBytes) || size == 0 {
		g.release()
		return false
	}
	g.open()
	if final && len(w.body) > 0 && len(w.trailers) == 0 {
		g.whole(w)
		g.release()
		return false
	}
	g.mark(w)
	return true
}

// whole compresses a body that is all there.
func (g *gzipCoder) whole(w *Response) {
	b := g.code(w.body, codeEnd)
	if len(b) >= len(w.body) && !g.must {
		return
	}
	w.body = append(w.body[:0], b...)
	w.length = -1
	g.mark(w)
}

// mark changes the fields to those of the compressed form.
func (g *gzipCoder) mark(w *Response) {
	w.DelHeader("Accept-Ranges")
	suffixTag(w)
	w.fields = append(w.fields, "Content-Encoding: gzip\r\n"...)
}

// suffixTag marks a strong ETag as that of the compressed form. Weak ones may be shared
// by all forms of a representation (RFC 9110 §8.8.1).
func suffixTag(w *Response) {
	tag := w.HeaderValue("ETag")
	if len(tag) < 2 || tag[0] != '"' {
		return
	}
	w.DelHeader("ETag")
	w.fields = append(append(append(w.fields, "ETag: "...), tag[:len(tag)-1]...), codedTag+"\"\r\n"...)
}

// eligible says that a response may be compressed, for this client or another.
func (g *gzipCoder) eligible(w *Response, f *codedFields) bool {
	return w.status >= 200 && w.status != 206 && w.status != 416 && !bodyless(w.status) && !f.stays && g.z.worth(f.mediaType)
}

// worth says that a media type is worth compressing.
func (z *compressor) worth(media []byte) bool {
	if len(media) == 0 || equalFold(media, "text/event-stream") {
		return false
	}
	for _, t := range z.Types {
		n := len(t) - 1
		switch {
		case n > 0 && t[n] == '*' && len(media) > n && equalFold(media[:n], t[:n]),
			n > 0 && t[0] == '*' && len(media) > n && equalFold(media[len(media)-n:], t[1:]),
			equalFold(media, t):
			return true
		}
	}
	return false
}

func (g *gzipCoder) open() {
	if g.zw == nil {
		g.zw, _ = gzip.NewWriterLevel(&g.out, g.z.Level) // the level was checked
		return
	}
	g.zw.Reset(&g.out)
}

// code implements coder. Writing to memory does not fail.
func (g *gzipCoder) code(p []byte, step codeStep) []byte {
	g.out = g.out[:0]
	g.zw.Write(p)
	switch step {
	case codeFlush:
		g.zw.Flush()
	case codeEnd:
		g.zw.Close()
	}
	return g.out
}

// release implements coder.
func (g *gzipCoder) release() {
	if cap(g.out) > 2*maxHeld {
		g.out = nil
	}
	g.z.pool.Put(g)
}

// codedFields is what the fields of a response say about a content coding.
type codedFields struct {
	mediaType []byte // without parameters
	varies    bool   // by Accept-Encoding already
	stays     bool   // nothing may change the content
}

func fieldsOf(fields []byte) (f codedFields) {
	for rest := fields; len(rest) > 0; {
		n := lineLen(rest)
		f.look(rest[:n-2])
		rest = rest[n:]
	}
	return f
}

// look takes one field line, "name: value".
func (f *codedFields) look(line []byte) {
	switch {
	case isField(line, "content-type"):
		f.mediaType = line[len("content-type: "):]
		for i, c := range f.mediaType {
			if c == ';' || c == ' ' || c == '\t' {
				f.mediaType = f.mediaType[:i]
				break
			}
		}
	case isField(line, "content-encoding"), isField(line, "content-range"), isField(line, "content-digest"), isField(line, "repr-digest"), isField(line, "digest"):
		f.stays = true
	case isField(line, "cache-control"):
		eachElement(line[len("cache-control: "):], func(e []byte) bool {
			f.stays = f.stays || equalFold(e, "no-transform")
			return true
		})
	case isField(line, "vary"):
		eachElement(line[len("vary: "):], func(e []byte) bool {
			f.varies = f.varies || equalFold(e, "accept-encoding") || string(e) == "*"
			return true
		})
	}
}

func isField(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && equalFold(line[:len(name)], name)
}
