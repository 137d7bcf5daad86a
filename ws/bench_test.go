package ws

import (
	"bytes"
	"compress/flate"
	"testing"
)

func benchText(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = append(b, `{"id":`...)
		b = append(b, byte('0'+i%10), byte('0'+i/10%10), byte('0'+i/7%10))
		b = append(b, `,"title":"On the matter of `...)
		b = append(b, []string{"frames", "windows", "masks", "close codes"}[i*7%4]...)
		b = append(b, `","views":`...)
		b = append(b, byte('0'+i*3%10), byte('0'+i*i%10))
		b = append(b, "},"...)
	}
	return b[:n]
}

func BenchmarkDeflate(b *testing.B) {
	for _, n := range []int{128, 1024, 16384, 262144} {
		msg := benchText(n)
		z := new(deflater)
		var out []byte
		b.Run(size(n)+"/own", func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				out = z.message(out[:0], nil, msg, 15)
			}
			b.ReportMetric(float64(len(out)), "bytes")
		})
		b.Run(size(n)+"/standard", func(b *testing.B) {
			var buf bytes.Buffer
			w, err := flate.NewWriter(&buf, flate.BestSpeed)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				w.Reset(&buf)
				w.Write(msg)
				w.Flush()
			}
			b.ReportMetric(float64(buf.Len()), "bytes")
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, n := range []int{128, 1024, 16384, 262144} {
		msg := benchText(n)
		payload := append(new(deflater).message(nil, nil, msg, 15), syncTail...)
		z := new(inflater)
		b.Run(size(n)+"/own", func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			dst := make([]byte, 0, n)
			for b.Loop() {
				z.reset()
				var err error
				if dst, err = z.add(dst[:0], payload, n); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(size(n)+"/standard", func(b *testing.B) {
			src := bytes.NewReader(payload)
			r := flate.NewReader(src)
			buf := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(payload)
				r.(flate.Resetter).Reset(src, nil)
				for k := 0; k < n; {
					m, err := r.Read(buf[k:])
					if err != nil {
						b.Fatal(err)
					}
					k += m
				}
			}
		})
	}
}

func size(n int) string {
	switch {
	case n >= 1<<20:
		return string(rune('0'+n>>20)) + "MiB"
	case n < 1024:
		return "128B"
	case n < 16384:
		return "1KiB"
	case n < 262144:
		return "16KiB"
	}
	return "256KiB"
}
