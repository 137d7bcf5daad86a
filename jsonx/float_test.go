package jsonx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// floatCount is how many values each of the random float tests tries.
func floatCount() int {
	if os.Getenv("LITHAIR_LONG") != "" {
		return 100_000_000
	}
	return 300_000
}

// ecma is the layout of appendFloat64 made from strconv's digits, the slow and obvious way.
func ecma(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	e, _ := strconv.Atoi(exponent)
	if e >= -6 && e < 21 || f == 0 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return mantissa + "e" + map[bool]string{true: "+"}[e > 0] + strconv.Itoa(e)
}

func checkFloat(t *testing.T, f float64) {
	t.Helper()
	text, err := appendFloat64(nil, f)
	if want := ecma(f); err != nil || string(text) != want {
		t.Fatalf("%x: printed %s %v, want %s", math.Float64bits(f), text, err, want)
	}
	back, end, ok := parseFloat64(text, 0)
	if !ok || end != len(text) || math.Float64bits(back) != math.Float64bits(f) {
		t.Fatalf("%s: read %v, %d, %v", text, back, end, ok)
	}
}

// Every power of two and of ten with its neighbours, subnormal numbers and integers around 2^53.
func TestFloatEdges(t *testing.T) {
	near := func(f float64) {
		for _, x := range []float64{f, math.Nextafter(f, 0), math.Nextafter(f, math.Inf(1))} {
			if !math.IsInf(x, 0) {
				checkFloat(t, x)
				checkFloat(t, -x)
			}
		}
	}
	for e := -1074; e <= 1023; e++ {
		near(math.Ldexp(1, e))
		near(math.Ldexp(3, e-1))
	}
	for e := -323; e <= 308; e++ {
		f, _ := strconv.ParseFloat("1e"+strconv.Itoa(e), 64)
		near(f)
	}
	for i := range 1000 {
		near(float64(i))
		near(1<<53 - 500 + float64(i))
		near(float64(i) / 1000)
	}
	near(math.MaxFloat64)
	near(9007199254740993)
}

func TestFloatRandomBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := floatCount()
	for range n {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			checkFloat(t, f)
		}
	}
	t.Logf("%d bit patterns printed and read, each as strconv does", n)
}

// floatOf is d*10^e, or a large number if that is too large.
func floatOf(d uint64, e int) float64 {
	f, err := strconv.ParseFloat(fmt.Sprintf("%de%d", d, e), 64)
	if err != nil {
		return math.MaxFloat64
	}
	return f
}

// TestFloatRandomNear tries where the shortest text is in doubt or its layout changes: decimals of 1 to 17 digits, powers
// of two and of ten and small multiples of them, subnormal numbers, and fractions of a half, a quarter and an eighth
// beside the largest integers that leave them room. Each comes with what is a few floats away.
func TestFloatRandomNear(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	n := floatCount() / 10 // of each
	for _, row := range []struct {
		name  string
		value func() float64
	}{
		{"decimals as one writes them", func() float64 {
			return float64(r.Uint64N(pow10Whole[1+r.IntN(15)])) / float64(pow10Whole[r.IntN(16)])
		}},
		{"decimals of 17 digits", func() float64 {
			digits := pow10Whole[16] + r.Uint64N(9*pow10Whole[16])
			return floatOf(digits, r.IntN(60)-50)
		}},
		{"powers of ten", func() float64 { return floatOf(1+r.Uint64N(20), r.IntN(640)-330) }},
		{"powers of two", func() float64 { return math.Ldexp(float64(1+r.IntN(16)), r.IntN(2090)-1074) }},
		{"subnormal numbers", func() float64 { return math.Float64frombits(r.Uint64() >> (12 + r.IntN(52))) }},
		{"halves, quarters, eighths", func() float64 {
			return math.Ldexp(float64(1<<52+r.Uint64N(1<<52)), r.IntN(8)-5)
		}},
	} {
		done := 0
		for done < n {
			u := math.Float64bits(row.value())
			for _, u := range []uint64{u, u + 1, u - 1, u + r.Uint64N(16), u - r.Uint64N(16)} {
				if f := math.Float64frombits(u); !math.IsNaN(f) && !math.IsInf(f, 0) {
					checkFloat(t, f)
					done++
				}
			}
		}
		t.Logf("%s: %d printed and read, each as strconv does", row.name, done)
	}
}

// What is too near to a bound comes from strconv: that it would do for all numbers.
func TestFloatInDoubt(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 200_000 {
		u := math.Float64bits(math.Ldexp(1+r.Float64(), r.IntN(1900)-950))
		d, e := shortestDecimal(u)
		if d < 1e16 {
			d, e = d*10, e-1
		}
		if x, y := shortestByStrconv(u); x != d || y != e {
			t.Fatalf("%x: %de%d, by strconv %de%d", u, d, e, x, y)
		}
	}
}

// Texts of 1 to 25 digits with any exponent, among them many half way between two floats.
func TestFloatRandomText(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	n := floatCount()
	if n < 1_000_000 {
		n /= 6 // strconv takes its time
	}
	for range n {
		text := randomNumber(r)
		want, err := strconv.ParseFloat(text, 64)
		got, end, ok := parseFloat64([]byte(text), 0)
		if ok != (err == nil) || end != len(text) || ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s: %v %d %v, want %v %v", text, got, end, ok, want, err)
		}
		want, err = strconv.ParseFloat(text, 32)
		got32, end, ok := parseFloat32([]byte(text), 0)
		if ok != (err == nil) || end != len(text) || ok && math.Float32bits(got32) != math.Float32bits(float32(want)) {
			t.Fatalf("%s: %v %d %v, want %v %v as float32", text, got32, end, ok, want, err)
		}
	}
	t.Logf("%d texts read, each as strconv does", n)
}

func randomNumber(r *rand.Rand) string {
	var b []byte
	if r.IntN(2) == 0 {
		b = append(b, '-')
	}
	switch r.IntN(4) {
	case 0: // half way between two float64 or two float32
		f := math.Float64frombits(r.Uint64() &^ (1 << 62))
		if r.IntN(2) == 0 {
			f = float64(math.Float32frombits(r.Uint32() &^ (1 << 30)))
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = 1
		}
		return strconv.FormatFloat(math.Abs(f)+math.Abs(math.Nextafter(f, 0)-f)/2, 'e', r.IntN(30), 64)
	case 1:
		b = append(b, '0')
	default:
		b = append(b, byte('1'+r.IntN(9)))
		for range r.IntN(20) {
			b = append(b, byte('0'+r.IntN(10)))
		}
	}
	if r.IntN(3) > 0 {
		b = append(b, '.')
		for range r.IntN(8) {
			b = append(b, '0')
		}
		for range 1 + r.IntN(20) {
			b = append(b, byte('0'+r.IntN(10)))
		}
	}
	if r.IntN(3) == 0 {
		b = append(b, "eE"[r.IntN(2)])
		b = append(b, []string{"", "+", "-"}[r.IntN(3)]...)
		b = strconv.AppendInt(b, int64(r.IntN(330)), 10)
	}
	return string(b)
}

// RFC 8259 §6 by rows: the end of what is read, -1 where the grammar is broken.
func TestParseDecimalGrammar(t *testing.T) {
	for text, want := range map[string]int{"0": 1, "-0": 2, "0.5": 3, "10e1": 4, "1E+05": 5, "1.5e-3,": 6, "12]": 2, "123456789012345678901234": 24,
		"": -1, "-": -1, "+1": -1, ".5": -1, "01": -1, "-01": -1, "00": -1, "1.": -1, "1.e1": -1, "1e": -1, "1e+": -1, "e1": -1, "a": -1, "-a": -1} {
		if _, _, _, end := parseDecimal([]byte(text), 0); end != want {
			t.Errorf("%q: end %d, want %d", text, end, want)
		}
	}
	for text, want := range map[string]bool{"1e308": true, "1.7976931348623157e308": true, "1e-400": true, "1e-9999999999": true,
		"1e309": false, "1.7976931348623159e308": false, "-1e9999999999": false} {
		if _, _, ok := parseFloat64([]byte(text), 0); ok != want {
			t.Errorf("%s: %v, want %v", text, ok, want)
		}
	}
}

func TestAppendIntegers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	check := func(u uint64) {
		if got := string(appendUint(nil, u)); got != strconv.FormatUint(u, 10) {
			t.Fatalf("%d: %s", u, got)
		}
		if got := string(appendInt(nil, int64(u))); got != strconv.FormatInt(int64(u), 10) {
			t.Fatalf("%d: %s", int64(u), got)
		}
	}
	for u, n := uint64(1), 0; n < 20; u, n = u*10, n+1 {
		check(u)
		check(u - 1)
		check(-u)
	}
	for range 300_000 {
		check(r.Uint64() >> r.IntN(64))
	}
	step := uint64(997)
	if os.Getenv("LITHAIR_LONG") != "" {
		step = 1
	}
	for u := uint64(0); u < 100_000_000; u += step {
		if w := eightDigitsText(u); eightDigitsValue(w) != u {
			t.Fatalf("%d: %x", u, w)
		}
	}
}

func BenchmarkFloat(b *testing.B) {
	const text = "-65.613616999999977"
	buf := make([]byte, 0, 32)
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			parseFloat64([]byte(text), 0)
		}
	})
	b.Run("parse-strconv", func(b *testing.B) {
		for b.Loop() {
			strconv.ParseFloat(text, 64)
		}
	})
	b.Run("print", func(b *testing.B) {
		for b.Loop() {
			appendFloat64(buf, -65.613616999999977)
		}
	})
	b.Run("print-strconv", func(b *testing.B) {
		for b.Loop() {
			strconv.AppendFloat(buf, -65.613616999999977, 'f', -1, 64)
		}
	})
}
