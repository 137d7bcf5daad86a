package wire

import (
	"bytes"
	"io"
	"iter"
	"strings"
	"sync"
)

// FormLimits bounds the forms that a handler takes. Zero fields take the defaults. The
// body as a whole is bounded by Config.MaxBodyBytes, [BodyLimit] and [LargeBody]. Breaking a limit
// is an *[Error] with status 413 that names it.
type FormLimits struct {
	MaxFields      int   // pairs, or parts that are no files; default 1,000
	MaxFieldBytes  int64 // of one value; default 1 MiB
	MaxFiles       int   // parts that are files; default 32
	MaxFileBytes   int64 // of one file; default: what the limit of the body allows
	MaxPartHead    int   // bytes of the header section of a part, and of the preamble; default 4 KiB
	MaxPartHeaders int   // field lines of a part; default 16

	// MaxMemoryBytes bounds the names and values of all fields of a Form; default 8 MiB.
	MaxMemoryBytes int64
	// TempDir is where a Form keeps files; default os.TempDir().
	TempDir string
}

func (l *FormLimits) defaults() {
	for _, f := range []struct {
		v   *int
		def int
	}{{&l.MaxFields, 1000}, {&l.MaxFiles, 32}, {&l.MaxPartHead, 4 << 10}, {&l.MaxPartHeaders, 16}} {
		if *f.v <= 0 {
			*f.v = f.def
		}
	}
	for _, f := range []struct {
		v   *int64
		def int64
	}{{&l.MaxFieldBytes, 1 << 20}, {&l.MaxFileBytes, 1<<63 - 1}, {&l.MaxMemoryBytes, 8 << 20}} {
		if *f.v <= 0 {
			*f.v = f.def
		}
	}
}

// Part is one part of a multipart/form-data body. Its content is read from it, once, and
// before the next part is asked for.
type Part struct {
	Name     string // of the field
	FileName string // last element of the path the client gave; "" when it gave none. Never a path
	IsFile   bool   // a file name was given, though it may be empty
	Type     string // media type that the client claims; "" when it does not

	fields []Trailer
	left   int64 // bytes that may still come
	m      *multipartBody
	done   bool
}

// Header returns the first value of a field of the part's header section.
func (p *Part) Header(name string) string {
	for _, f := range p.fields {
		if equalFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Read implements io.Reader.
func (p *Part) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	data, err := p.next(len(b))
	return copy(b, data), err
}

// WriteTo implements io.WriterTo.
func (p *Part) WriteTo(w io.Writer) (n int64, err error) {
	for {
		data, err := p.next(multipartBuffer)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		k, err := w.Write(data)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
}

// next returns up to max bytes of content, valid until the next call.
func (p *Part) next(max int) ([]byte, error) {
	if p.done {
		return nil, io.EOF
	}
	data, err := p.m.content(max)
	if err != nil {
		p.done = err == io.EOF
		return nil, err
	}
	if p.left -= int64(len(data)); p.left < 0 {
		p.m.err = p.tooLarge()
		return nil, p.m.err
	}
	return data, nil
}

func (p *Part) tooLarge() *Error {
	kind := "field"
	if p.IsFile {
		kind = "file"
	}
	return &Error{Status: 413, Detail: "the " + kind + " " + quoteName(p.Name) + " is larger than is allowed here"}
}

// multipartBody reads the parts of a request's body.
type multipartBody struct {
	src      io.Reader
	scan     multipartScanner
	limits   FormLimits
	buf      *[multipartBuffer]byte
	big      []byte // in place of buf where header sections may be longer
	from, to int    // of the bytes received and not scanned
	part     *Part
	inside   bool // the current part has not ended
	fields   int
	files    int
	err      error // sticky
}

const multipartBuffer = 16 << 10

var multipartBuffers = sync.Pool{New: func() any { return new([multipartBuffer]byte) }}

// Parts iterates over the parts of a multipart/form-data body (RFC 7578) as they arrive;
// nothing is kept. What the handler leaves of a part is skipped. The error, of which there
// is one at most and at the end, is an *[Error]: 415 for another media type, 400 for a
// body that is malformed or ends early, 413 for a limit.
//
// A body is read once: Parts or [Request.Form].
func (r *Request) Parts(limits FormLimits) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		m, err := r.multipart(limits)
		if err != nil {
			yield(nil, err)
			return
		}
		defer m.release()
		for {
			p, err := m.nextPart()
			if err == io.EOF {
				return
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// multipart begins to read a multipart/form-data body.
func (r *Request) multipart(limits FormLimits) (*multipartBody, error) {
	boundary, err := boundaryOf(&r.head)
	if err != nil {
		return nil, err
	}
	limits.defaults()
	m := &multipartBody{src: r.Body(), scan: newMultipartScanner(boundary, limits.MaxPartHead), limits: limits}
	if need := limits.MaxPartHead + minMultipartBuffer; need > multipartBuffer {
		m.big = make([]byte, need)
	} else {
		m.buf = multipartBuffers.Get().(*[multipartBuffer]byte)
	}
	return m, nil
}

// boundaryOf reads the boundary of multipart/form-data from Content-Type.
func boundaryOf(h *head) (string, error) {
	v, _ := h.field("content-type")
	boundary, twice := "", false
	media, ok := parameters(string(v), func(name, value string) bool {
		if name == "boundary" {
			twice = boundary != ""
			boundary = value
		}
		return !twice
	})
	switch {
	case !equalFold(media, "multipart/form-data"):
		return "", &Error{Status: 415, Detail: "the body must be multipart/form-data", Header: [][2]string{{"Accept", "multipart/form-data"}}}
	case !ok || twice || !validBoundary(boundary) || h.count("content-type") > 1:
		return "", &Error{Status: 400, Detail: "Content-Type has no valid boundary, of 1 to 70 bytes"}
	}
	return boundary, nil
}

func (m *multipartBody) release() {
	if m.buf != nil {
		multipartBuffers.Put(m.buf)
		m.buf = nil
	}
	if m.err == nil {
		m.err = io.EOF
	}
}

// event returns the scanner's next event, and receives what it needs for it.
func (m *multipartBody) event(max int) (multipartEvent, []byte, error) {
	for m.err == nil {
		in := m.buffer()[m.from:m.to]
		if m.scan.state == multipartContent && len(in) > max+len(m.scan.delim) {
			in = in[:max+len(m.scan.delim)]
		}
		ev, data, n, err := m.scan.next(in)
		if ev == multipartData && len(data) > max {
			data, n = data[:max], n-len(data)+max
		}
		m.from += n
		switch {
		case err != nil:
			m.err = err
		case ev != multipartMore:
			return ev, data, nil
		default:
			m.err = m.fill()
		}
	}
	return multipartMore, nil, m.err
}

func (m *multipartBody) buffer() []byte {
	if m.buf != nil {
		return m.buf[:]
	}
	return m.big
}

func (m *multipartBody) fill() error {
	b := m.buffer()
	m.to = copy(b, b[m.from:m.to])
	m.from = 0
	n, err := m.src.Read(b[m.to:])
	m.to += n
	if err == io.EOF && n == 0 {
		if m.scan.state == multipartClose && m.to == 0 {
			return io.EOF // the last line needs no end
		}
		return &Error{Status: 400, Detail: "the multipart body ends before its close delimiter", Err: io.ErrUnexpectedEOF}
	}
	if err == io.EOF {
		err = nil // said again when the bytes are used up
	}
	return err
}

// content returns up to max bytes of the current part; io.EOF at its end.
func (m *multipartBody) content(max int) ([]byte, error) {
	if !m.inside {
		return nil, io.EOF
	}
	ev, data, err := m.event(max)
	if err == nil && ev == multipartPartEnd {
		m.inside = false
		return nil, io.EOF
	}
	return data, err
}

// nextPart skips what is left of the current part and returns the next; io.EOF when
// there is none.
func (m *multipartBody) nextPart() (*Part, error) {
	for m.inside {
		if _, err := m.content(multipartBuffer); err != nil && err != io.EOF {
			return nil, err
		}
	}
	if m.part != nil {
		m.part.done = true
	}
	ev, data, err := m.event(0)
	if err != nil {
		return nil, err
	}
	if ev == multipartEnd {
		m.err = io.EOF
		return nil, io.EOF
	}
	p, perr := m.open(data)
	if perr != nil {
		m.err = perr
		return nil, perr
	}
	m.part, m.inside = p, true
	return p, nil
}

// open makes a part of its header section and counts it.
func (m *multipartBody) open(head []byte) (*Part, error) {
	p := &Part{m: m}
	var err *Error
	if p.fields, err = partFields(head, m.limits.MaxPartHeaders); err != nil {
		return nil, err
	}
	if err := p.describe(); err != nil {
		return nil, err
	}
	if p.IsFile {
		m.files++
		p.left = m.limits.MaxFileBytes
	} else {
		m.fields++
		p.left = m.limits.MaxFieldBytes
	}
	switch {
	case m.files > m.limits.MaxFiles:
		return nil, Errorf(413, "the form has more than %d files", m.limits.MaxFiles)
	case m.fields > m.limits.MaxFields:
		return nil, Errorf(413, "the form has more than %d fields", m.limits.MaxFields)
	}
	return p, nil
}

// partFields parses the field lines of a part, as strict as those of a request.
func partFields(b []byte, max int) (fields []Trailer, err *Error) {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		if n < 2 || b[n-2] != '\r' {
			return nil, Errorf(400, "a header line of a part does not end in CRLF")
		}
		line := b[:n-2]
		b = b[n:]
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !all(line[:colon], classToken) || !all(line[colon+1:], classValue) {
			return nil, Errorf(400, "a header line of a part is malformed")
		}
		if len(fields) == max {
			return nil, Errorf(413, "a part has more than %d header lines", max)
		}
		fields = append(fields, Trailer{string(line[:colon]), string(trimOWS(line[colon+1:]))})
	}
	return fields, nil
}

// describe reads name, file name and type of a part (RFC 7578 §4.2, §4.4, §4.7).
func (p *Part) describe() *Error {
	disposition, seen := "", 0
	for _, f := range p.fields {
		switch {
		case equalFold(f.Name, "content-disposition"):
			disposition = f.Value
			seen++
		case equalFold(f.Name, "content-type"):
			p.Type = f.Value
		case equalFold(f.Name, "content-transfer-encoding"):
			if !equalFold(f.Value, "binary") && !equalFold(f.Value, "8bit") && !equalFold(f.Value, "7bit") {
				return Errorf(400, "a part has a Content-Transfer-Encoding; forms are sent as they are")
			}
		}
	}
	names, files := 0, 0
	kind, ok := parameters(disposition, func(name, value string) bool {
		switch name {
		case "name":
			p.Name = value
			names++
		case "filename":
			p.FileName, p.IsFile = baseName(value), true
			files++
		}
		return true
	})
	if !ok || seen != 1 || !equalFold(kind, "form-data") || names != 1 || files > 1 {
		return Errorf(400, "a part does not say with one Content-Disposition of form-data which field it is")
	}
	return nil
}

// baseName returns the last element of a path of any system; "" when that is no name.
func baseName(path string) string {
	if i := strings.LastIndexAny(path, `/\`); i >= 0 {
		path = path[i+1:]
	}
	if path == "." || path == ".." {
		return ""
	}
	return strings.ToValidUTF8(path, "\uFFFD")
}

// quoteName shows the name of a field in an error.
func quoteName(name string) string { return string(appendQuoted(nil, name[:min(len(name), 64)])) }
