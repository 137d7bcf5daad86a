package model

// Nearest returns the candidate closest to word, or "" when none is close: one letter of
// up to four may differ, two of up to eight, a third of longer words.
func Nearest(word string, candidates []string) string {
	best, bound := "", max(len(word)/3, min(2, 1+len(word)/5))+1
	if len(word) > 64 {
		return ""
	}
	for _, c := range candidates {
		if d := distance(word, c); d < bound {
			best, bound = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance, in bytes; two neighbours that changed places are one step.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1) // of the prefixes of a that are shorter by two, and by one
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			next[j+1] = row[j]
			if a[i] != b[j] {
				next[j+1] = 1 + min(row[j], row[j+1], next[j])
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
