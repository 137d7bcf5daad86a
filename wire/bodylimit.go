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
