package jsonx

// DefaultMaxDepth is how deeply arrays and objects may nest unless MaxDepth says otherwise.
const DefaultMaxDepth = 1000

type options struct {
	maxDepth, maxBytes               int
	unknown, dups, html, numberInAny bool
}

// Option changes how one call reads or writes.
type Option func(*options)

// RejectUnknownMembers makes a member without a struct field an error that names it.
func RejectUnknownMembers() Option { return func(o *options) { o.unknown = true } }

// MaxDepth sets the nesting limit, in levels; default DefaultMaxDepth.
func MaxDepth(n int) Option { return func(o *options) { o.maxDepth = n } }

// MaxBytes refuses a text longer than n bytes; 0, the default, sets no limit.
func MaxBytes(n int) Option { return func(o *options) { o.maxBytes = n } }

// EscapeHTML writes <, >, &, U+2028 and U+2029 as \u escapes.
func EscapeHTML() Option { return func(o *options) { o.html = true } }

// AllowDuplicateNames lets a later member of the same name win.
func AllowDuplicateNames() Option { return func(o *options) { o.dups = true } }

// UseNumber puts numbers into interfaces as Number instead of float64.
func UseNumber() Option { return func(o *options) { o.numberInAny = true } }

func collect(opts []Option) options {
	o := options{maxDepth: DefaultMaxDepth}
	for _, f := range opts {
		f(&o)
	}
	return o
}
