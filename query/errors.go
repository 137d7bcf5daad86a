package query

import "fmt"

// Error is a list request that cannot be answered, by the fault of the client.
type Error struct {
	Field      string // name in the query string
	Problem    string // "is not a field of Article"
	DidYouMean string // a name that exists; may be empty
}

// Error says which parameter is wrong, why, and what was probably meant.
func (e *Error) Error() string {
	s := fmt.Sprintf("%.80q %s", e.Field, e.Problem)
	if e.DidYouMean != "" {
		s += fmt.Sprintf("; did you mean %q?", e.DidYouMean)
	}
	return s
}
