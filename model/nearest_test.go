package model

import "testing"

// TestNearest finds what was meant, and nothing where nothing is close.
func TestNearest(t *testing.T) {
	commands := []string{"new", "dev", "gen", "vet", "routes", "version", "schema plan"}
	for word, want := range map[string]string{
		"nwe":          "new", // neighbours that changed places are one step
		"nw":           "new",
		"dve":          "dev",
		"verison":      "version",
		"routse":       "routes",
		"shcema palns": "schema plan",
		"wen":          "gen",
		"xyz":          "",
		"":             "",
	} {
		if got := Nearest(word, commands); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"abc", "cab", 2}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("%s to %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
