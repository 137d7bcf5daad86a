package blob

const hashDigits = 64

func isDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

// Named takes out of set the hashes that stand in b: wherever 64 digits follow each other,
// whatever they mean. It costs little more than a look at every 64th byte.
func Named(b []byte, set map[string]bool) {
	for i := hashDigits - 1; i < len(b); i += hashDigits {
		if !isDigit(b[i]) {
			continue // no 64 digits are at or around it
		}
		from, to := i, i+1
		for from > 0 && isDigit(b[from-1]) {
			from--
		}
		for to < len(b) && isDigit(b[to]) {
			to++
		}
		for ; from+hashDigits <= to; from++ {
			delete(set, string(b[from:from+hashDigits]))
		}
		i = to // a digit that ends a run cannot begin another; the next look is 64 on
	}
}
