package jsonx

import "math"

// DefaultMaxDepth is how deeply arrays and objects may nest unless MaxDepth says otherwise.
const DefaultMaxDepth = 1000

// DefaultMaxMembers is how many members an object may have unless MaxMembers says otherwise.
const DefaultMaxMembers = 1 << 20

// options has every limit as the largest value allowed; maxBytes 0 is none.
type options struct {
	maxDepth, maxBytes               int
	maxMembers, maxString            int
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

// MaxMembers sets how many members one object may have; default DefaultMaxMembers, 0 sets no limit.
func MaxMembers(n int) Option { return func(o *options) { o.maxMembers = orNone(n) } }

// MaxStringBytes sets how many bytes a string or a name may take between its quotes in the text, escapes as they
// stand; 0, the default, sets no limit of its own.
func MaxStringBytes(n int) Option { return func(o *options) { o.maxString = orNone(n) } }

func orNone(n int) int {
	if n <= 0 {
		return math.MaxInt
	}
	return n
}

// EscapeHTML writes <, >, &, U+2028 and U+2029 as \u escapes.
func EscapeHTML() Option { return func(o *options) { o.html = true } }

// AllowDuplicateNames lets a later member of the same name win.
func AllowDuplicateNames() Option { return func(o *options) { o.dups = true } }

// UseNumber puts numbers into interfaces as Number instead of float64.
func UseNumber() Option { return func(o *options) { o.numberInAny = true } }

func defaults() options {
	return options{maxDepth: DefaultMaxDepth, maxMembers: DefaultMaxMembers, maxString: math.MaxInt}
}

// collect leaves the case without options free of allocation: only what the options write to escapes.
func collect(opts []Option) options {
	if len(opts) == 0 {
		return defaults()
	}
	return apply(opts)
}

func apply(opts []Option) options {
	o := defaults()
	for _, f := range opts {
		f(&o)
	}
	return o
}
