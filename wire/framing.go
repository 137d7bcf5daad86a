package wire

// framing is how long the message body is, and what becomes of the connection
// (RFC 9112 §6, §9).
type framing struct {
	chunked   bool
	length    int64 // without chunked; 0: no body
	hasLength bool
	expect    bool // Expect: 100-continue
	close     bool // the connection ends after the answer
	keepAlive bool // Connection: keep-alive
	upgrade   bool // Connection: upgrade
}

// field takes note of a field that has to do with framing. Whatever could be read in two
// ways is malformed.
func (f *framing) field(name, value []byte, minor int) *Error {
	switch {
	case equalFold(name, "expect"):
		return f.expectation(value)
	case equalFold(name, "connection"):
		f.connection(value)
	case equalFold(name, "content-length"):
		return f.contentLength(value)
	case equalFold(name, "transfer-encoding"):
		return f.transferEncoding(value, minor)
	}
	return nil
}

// settle is called behind the last field.
func (f *framing) settle(minor int) *Error {
	if f.chunked && f.hasLength {
		return badRequest("Content-Length and Transfer-Encoding together")
	}
	if minor == 0 {
		f.expect = false
		f.close = f.close || !f.keepAlive
	}
	return nil
}

func (f *framing) connection(value []byte) {
	eachElement(value, func(e []byte) bool {
		f.close = f.close || equalFold(e, "close")
		f.keepAlive = f.keepAlive || equalFold(e, "keep-alive")
		f.upgrade = f.upgrade || equalFold(e, "upgrade")
		return true
	})
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
