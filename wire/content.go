package wire

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Content is a representation to be sent by [Response.ServeContent].
type Content struct {
	// Body stands at its beginning. Ranges are offered when it is an io.Seeker too.
	Body io.Reader
	Size int64 // bytes of Body; one that ends earlier breaks the response visibly

	Type     string    // media type; default application/octet-stream
	ETag     string    // with quotes; "" when there is none
	Modified time.Time // zero when not known: Last-Modified is left out
}

// ServeContent answers a GET or HEAD with c: 200, or what the request's conditions and
// ranges ask for. Conditions are evaluated in the order of RFC 9110 §13.2.2 (304, 412),
// If-Range by strong comparison (§13.1.5); one range gives a 206, several a
// multipart/byteranges (§14.6), none that exists a 416. Ranges that are malformed, more
// than 16 or overlap so that more bytes than there are would be sent give the whole.
//
// Fields that the handler set before are kept; X-Content-Type-Options: nosniff is added.
// Other methods are answered with 405. The caller closes the body.
func (w *Response) ServeContent(r *Request, c Content) error {
	if !isRead(&r.head) {
		return &Error{Status: 405, Detail: "only GET and HEAD are possible here", Header: [][2]string{{"Allow", "GET, HEAD"}}}
	}
	if c.Size < 0 || c.Size > maxFileSize || c.ETag != "" && !validTag(c.ETag) || !all(c.Type, classValue) {
		return fmt.Errorf("wire: content of %d bytes with the entity tag %.60q and type %.60q", c.Size, c.ETag, c.Type)
	}
	if c.Type == "" {
		c.Type = "application/octet-stream"
	}
	if done, err := w.conditions(r, &c); done || err != nil {
		return err
	}
	if err := w.SetHeader("X-Content-Type-Options", "nosniff"); err != nil {
		return err
	}
	seeker, ok := c.Body.(io.Seeker)
	if !ok {
		return w.sendWhole(&c)
	}
	if err := w.SetHeader("Accept-Ranges", "bytes"); err != nil {
		return err
	}
	var fixed [maxRanges]byteRange
	ranges, satisfiable := c.ranges(&r.head, fixed[:0])
	switch {
	case !satisfiable:
		return &Error{Status: 416, Detail: "the file has no such range", Header: [][2]string{{"Content-Range", "bytes */" + strconv.FormatInt(c.Size, 10)}}}
	case len(ranges) == 0:
		return w.sendWhole(&c)
	case len(ranges) == 1:
		return w.sendRange(&c, seeker, ranges[0])
	}
	return w.sendRanges(&c, seeker, ranges)
}

// conditions sets the validators and evaluates the request's conditions; done says that
// the answer is complete without the content.
func (w *Response) conditions(r *Request, c *Content) (done bool, err error) {
	if err := w.describe(c); err != nil {
		return false, err
	}
	switch CheckPreconditions(r, Representation{ETag: c.ETag, Modified: c.Modified}) {
	case 304:
		w.Status(304)
		return true, nil
	case 412:
		return false, &Error{Status: 412, Detail: "the file is not the one the request wants", Header: [][2]string{{"ETag", c.ETag}}}
	}
	return false, nil
}

// describe sets the validators, which a 304 has too.
func (w *Response) describe(c *Content) error {
	if c.ETag != "" {
		if err := w.SetHeader("ETag", c.ETag); err != nil {
			return err
		}
	}
	if !c.Modified.IsZero() {
		var b [len(imfFixdate)]byte
		return w.SetHeader("Last-Modified", string(AppendTime(b[:0], c.Modified)))
	}
	return nil
}

// ranges returns the ranges that the request asks for and may have. Only GET has ranges
// (RFC 9110 §14.2).
func (c *Content) ranges(h *head, dst []byteRange) ([]byteRange, bool) {
	v, ok := h.field("range")
	if !ok || string(h.method.of(h.buf)) != "GET" || !c.ifRange(h) {
		return nil, true
	}
	return parseRange(dst, v, c.Size)
}

// ifRange says that the client's part, if it has one, belongs to this representation. A
// date is good for that only when it is exactly that of the last change, and that is long
// enough ago for no second change to hide in the same second (RFC 9110 §8.8.2.2).
func (c *Content) ifRange(h *head) bool {
	v, ok := h.field("if-range")
	if !ok {
		return true
	}
	if n := tagLen(v); n > 0 && n == len(v) {
		return string(v) == c.ETag
	}
	t, ok := ParseTime(string(v))
	return ok && !c.Modified.IsZero() && t.Unix() == c.Modified.Unix() && time.Since(c.Modified) > 2*time.Second
}

func (w *Response) sendWhole(c *Content) error {
	if err := w.SetHeader("Content-Type", c.Type); err != nil {
		return err
	}
	return w.sendPart(c.Body, c.Size)
}

// sendPart sends size bytes with their length announced.
func (w *Response) sendPart(body io.Reader, size int64) error {
	if err := w.SetHeader("Content-Length", strconv.FormatInt(size, 10)); err != nil || w.head {
		return err
	}
	return w.copyExactly(body, size)
}

// copyExactly sends size bytes of body, and fails when there are fewer.
func (w *Response) copyExactly(body io.Reader, size int64) error {
	n, err := w.ReadFrom(&io.LimitedReader{R: body, N: size})
	if err == nil && n != size {
		err = fmt.Errorf("wire: content ended after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	return err
}

func (w *Response) sendRange(c *Content, s io.Seeker, r byteRange) error {
	w.Status(206)
	err := errors.Join(w.SetHeader("Content-Type", c.Type), w.SetHeader("Content-Range", r.field(c.Size)))
	if err != nil {
		return err
	}
	if _, err := s.Seek(r.from, io.SeekStart); err != nil {
		return err
	}
	return w.sendPart(c.Body, r.size)
}

// field renders a Content-Range (RFC 9110 §14.4).
func (r byteRange) field(size int64) string {
	b := append(make([]byte, 0, 80), "bytes "...)
	b = append(strconv.AppendInt(b, r.from, 10), '-')
	b = append(strconv.AppendInt(b, r.from+r.size-1, 10), '/')
	return string(strconv.AppendInt(b, size, 10))
}

// sendRanges sends several ranges in the order they were asked for:
//
//	--boundary CRLF Content-Type, Content-Range CRLF CRLF bytes CRLF ... --boundary--
func (w *Response) sendRanges(c *Content, s io.Seeker, ranges []byteRange) error {
	var random [15]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	boundary := hex.EncodeToString(random[:])
	part := func(i int) string {
		return "\r\n--" + boundary + "\r\nContent-Type: " + c.Type + "\r\nContent-Range: " + ranges[i].field(c.Size) + "\r\n\r\n"
	}
	last := "\r\n--" + boundary + "--\r\n"
	total := int64(len(last))
	for i, r := range ranges {
		total += int64(len(part(i))) + r.size
	}
	w.Status(206)
	err := errors.Join(w.SetHeader("Content-Type", "multipart/byteranges; boundary="+boundary), w.SetHeader("Content-Length", strconv.FormatInt(total, 10)))
	if err != nil || w.head {
		return err
	}
	for i, r := range ranges {
		if _, err := w.WriteString(part(i)); err != nil {
			return err
		}
		if _, err := s.Seek(r.from, io.SeekStart); err != nil {
			return err
		}
		if err := w.copyExactly(c.Body, r.size); err != nil {
			return err
		}
	}
	_, err = w.WriteString(last)
	return err
}

// maxFileSize keeps sums of ranges within an int64.
const maxFileSize = math.MaxInt64 / (2 * maxRanges)
