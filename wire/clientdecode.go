package wire

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// contentDecoder undoes Content-Encoding: gzip of a response while it is read.
type contentDecoder struct {
	r       *ClientResponse
	inf     *inflater
	ratio   int64 // decoded bytes for each one received, at most
	in, out int64 // bytes so far, as sent and decoded
}

func newContentDecoder(r *ClientResponse, ratio int64) *contentDecoder {
	d := &contentDecoder{r: r, ratio: ratio}
	d.inf = newInflater(encodedContent{d}, math.MaxInt64-1) // ClientResponse counts itself
	return d
}

// encodedContent reads the content as it was sent.
type encodedContent struct{ d *contentDecoder }

func (e encodedContent) Read(p []byte) (int, error) {
	n, err := e.d.r.read(p)
	e.d.in += int64(n)
	return n, err
}

// inflationGrace is how much decoded content is not looked at for its ratio.
const inflationGrace = 1 << 20

// Read implements io.Reader.
func (d *contentDecoder) Read(p []byte) (n int, err error) {
	n, err = d.inf.Read(p)
	d.out += int64(n)
	var broken *ClientError
	switch {
	case d.out > inflationGrace && d.out/d.ratio > d.in:
		return 0, d.r.abort(fmt.Errorf("%w: it grows more than %d times when decoded", ErrContentLimit, d.ratio))
	case err == nil || err == io.EOF || errors.As(err, &broken):
		return n, err
	case errors.Is(err, ErrCoding):
		return n, d.r.abort(fmt.Errorf("%w: %w", ErrMalformedResponse, err))
	case d.in == 0:
		return n, io.EOF // no content at all
	}
	return n, d.r.abort(fmt.Errorf("gzip: %w", err)) // the message is whole, the coding is not
}

// close gives the decoder back.
func (d *contentDecoder) close(err error) {
	if d.inf.err == nil && d.inf.z != nil {
		d.inf.end(err)
	}
	d.inf.err = err
}
