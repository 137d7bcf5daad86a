package jsonx

import "math/bits"

// The range of powers of ten that reading and printing a float64 can meet: 10^19 units of 10^-342 are less than half of
// the smallest float64, and the smallest float64 is printed by way of 10^324.
const (
	minPow10 = -342
	maxPow10 = 324
)

// pow10Wide[q-minPow10] holds the first 128 bits of 10^q, cut off and not rounded, with the highest bit set. The number
// is hi<<64|lo times 2 to the power of log2Pow10(q)-127.
var pow10Wide = widePowers()

type wide struct{ hi, lo uint64 }

func pow10At(q int) wide { return pow10Wide[q-minPow10] }

// log2Pow10 is the floor of the binary logarithm of 10^q.
func log2Pow10(q int) int { return q * 217706 >> 16 }

// widePowers computes the table from exact big numbers, as 10^q and 5^q share their bits: upwards by multiplying by
// five, downwards by dividing 2^1023, which keeps more than 128 bits to the end. It takes some ten microseconds, once.
func widePowers() *[maxPow10 - minPow10 + 1]wide {
	t := new([maxPow10 - minPow10 + 1]wide)
	up := []uint64{1} // the least word first
	for q := 0; q <= maxPow10; q++ {
		t[q-minPow10] = leading(up)
		up = timesFive(up)
	}
	down := make([]uint64, 16)
	down[15] = 1 << 63
	for q := -1; q >= minPow10; q-- {
		down = overFive(down)
		t[q-minPow10] = leading(down)
	}
	return t
}

func timesFive(x []uint64) []uint64 {
	var carry uint64
	for i, w := range x {
		hi, lo := bits.Mul64(w, 5)
		lo, c := bits.Add64(lo, carry, 0)
		x[i], carry = lo, hi+c
	}
	if carry > 0 {
		x = append(x, carry)
	}
	return x
}

func overFive(x []uint64) []uint64 {
	var rest uint64
	for i := len(x) - 1; i >= 0; i-- {
		x[i], rest = bits.Div64(rest, x[i], 5)
	}
	if x[len(x)-1] == 0 {
		x = x[:len(x)-1]
	}
	return x
}

// leading returns the first 128 bits of x, whose last word is not 0.
func leading(x []uint64) wide {
	word := func(i int) uint64 {
		if i < 0 {
			return 0
		}
		return x[i]
	}
	n := len(x) - 1
	shift := bits.LeadingZeros64(x[n])
	return wide{
		hi: x[n]<<shift | word(n-1)>>(64-shift),
		lo: word(n-1)<<shift | word(n-2)>>(64-shift),
	}
}
