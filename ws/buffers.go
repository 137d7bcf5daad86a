package ws

import (
	"math/bits"
	"sync"
)

// Buffers are shared by all connections: one that waits holds none. They come in powers of
// two; what is larger than the largest class is allocated and left to the collector.
const (
	minClass = 12 // 4 KiB
	maxClass = 20 // 1 MiB
)

var (
	classes   [maxClass - minClass + 1]sync.Pool // of *[]byte
	headers   = sync.Pool{New: func() any { return new([]byte) }}
	inflaters = sync.Pool{New: func() any { return new(inflater) }}
	deflaters = sync.Pool{New: func() any { return new(deflater) }}
)

func classOf(n int) int { return max(bits.Len(uint(n-1)), minClass) }

// takeBuffer returns an empty buffer for n bytes or more.
func takeBuffer(n int) []byte {
	class := classOf(max(n, 1))
	if class > maxClass {
		return make([]byte, 0, n)
	}
	if p, _ := classes[class-minClass].Get().(*[]byte); p != nil {
		b := *p
		*p = nil
		headers.Put(p)
		return b[:0]
	}
	return make([]byte, 0, 1<<class)
}

// giveBuffer takes a buffer back that nobody looks at any more.
func giveBuffer(b []byte) {
	n := cap(b)
	if n < 1<<minClass || n > 1<<maxClass || n&(n-1) != 0 {
		return
	}
	p := headers.Get().(*[]byte)
	*p = b[:0]
	classes[bits.Len(uint(n))-1-minClass].Put(p)
}

// makeRoom returns b with room for n more bytes, in another buffer where it must.
func makeRoom(b []byte, n int) []byte {
	if cap(b)-len(b) >= n && b != nil {
		return b
	}
	bigger := append(takeBuffer(max(len(b)+n, 2*len(b))), b...)
	giveBuffer(b)
	return bigger
}

func takeInflater() *inflater  { return inflaters.Get().(*inflater) }
func giveInflater(z *inflater) { inflaters.Put(z) }
