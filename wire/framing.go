package wire

// framing is how long the message body is, and what becomes of the connection
// (RFC 9112 §6, §9).
type framing struct {
	chunked   bool
	length    int64 // without chunked; 0: no body
	hasLength bool
	expect    bool // Expect: 100-continue
	close     bool // the connection ends after the answer
	upgrade   bool // Connection: upgrade
}

// decide derives the framing from a head. Whatever could be read in two ways is
// malformed.
func (f *framing) decide(h *head) *Error {
	*f = framing{close: h.minor == 0}
	keepAlive, closing := false, false
	for i := range h.fields {
		fl := &h.fields[i]
		name, value := fl.name.of(h.buf), fl.value.of(h.buf)
		var err *Error
		switch len(name) {
		case 6:
			if equalFold(name, "expect") {
				err = f.expectation(value)
			}
		case 10:
			if equalFold(name, "connection") {
				eachElement(value, func(e []byte) bool {
					closing = closing || equalFold(e, "close")
					keepAlive = keepAlive || equalFold(e, "keep-alive")
					f.upgrade = f.upgrade || equalFold(e, "upgrade")
					return true
				})
			}
		case 14:
			if equalFold(name, "content-length") {
				err = f.contentLength(value)
			}
		case 17:
			if equalFold(name, "transfer-encoding") {
				err = f.transferEncoding(value, h.minor)
			}
		}
		if err != nil {
			return err
		}
	}
	if f.chunked && f.hasLength {
		return badRequest("Content-Length and Transfer-Encoding together")
	}
	if h.minor == 0 {
		f.expect, f.close = false, !keepAlive
	}
	f.close = f.close || closing
	return nil
}

func (f *framing) expectation(value []byte) *Error {
	if !equalFold(value, "100-continue") {
		return &Error{Status: 417, Detail: "the only expectation met here is 100-continue", Close: true}
	}
	f.expect = true
	return nil
}

// contentLength reads 1*DIGIT that fits an int64.
func (f *framing) contentLength(value []byte) *Error {
	n, ok := parseLength(value)
	if f.hasLength || !ok {
		return badRequest("Content-Length is not one plain number")
	}
	f.length, f.hasLength = n, true
	return nil
}

func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func (f *framing) transferEncoding(value []byte, minor int) *Error {
	if minor == 0 {
		return badRequest("Transfer-Encoding in HTTP/1.0")
	}
	if f.chunked {
		return badRequest("several transfer codings")
	}
	if !equalFold(value, "chunked") {
		return &Error{Status: 501, Detail: "the only transfer coding understood is chunked", Close: true}
	}
	f.chunked = true
	return nil
}
