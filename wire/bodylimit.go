package wire

// BodyLimit lowers the limit of request bodies to max bytes (of content, without the
// framing of chunks); it never raises Config.MaxBodyBytes. A body that is announced as
// larger is refused with 413 before any of it is read, so a client that waits for 100
// Continue never sends it; a chunked one when it grows beyond. 0 and below allow no body.
func BodyLimit(max int64) Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			limit := int64(0)
			if max > 0 {
				limit = max
			}
			if r.ContentLength() > limit {
				return tooLarge()
			}
			r.body.limit = min(r.body.limit, limit)
			return next(w, r)
		}
	}
}

// LargeBody sets the limit of request bodies to max bytes, above Config.MaxBodyBytes or
// below, for handlers that take uploads. A BodyLimit further in lowers it again; one
// further out has refused by then what it would refuse.
func LargeBody(max int64) Middleware {
	return func(next Handler) Handler {
		next = BodyLimit(max)(next)
		return func(w *Response, r *Request) error {
			r.body.limit = 1<<63 - 1
			if r.body.dec != nil {
				r.body.dec.sent = codedLimit(max)
			}
			return next(w, r)
		}
	}
}
