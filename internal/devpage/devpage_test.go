package devpage

import "testing"

func TestAllow(t *testing.T) {
	for _, c := range [][2]string{
		{"default-src 'none'", "default-src 'none'; script-src 'self'; connect-src 'self'"},
		{"default-src 'self' 'unsafe-inline'; img-src *", "default-src 'self' 'unsafe-inline'; img-src *; script-src 'self' 'unsafe-inline' 'self'; connect-src 'self' 'unsafe-inline' 'self'"},
		{"script-src 'none'; connect-src https://a", "script-src 'self'; connect-src https://a 'self'"},
	} {
		if got := allow(c[0]); got != c[1] {
			t.Errorf("%s becomes %s, want %s", c[0], got, c[1])
		}
	}
}
