// Package model reads what a struct says about itself: its fields, keys, references and
// rules. Storage, REST and queries work from that alone.
//
//	m, err := model.Of(reflect.TypeFor[Article]()) // every mistake at once, as *TagError
//	next, changed, err := m.Evolve(schema)         // the schema in the log, and what it becomes
//	codec, err := m.Bind(next)                     // values to records and back
//	violations := m.Validate(&article)
//
// # Names
//
// A model is called as its Go type. A field's name, in the log and in queries, is its JSON
// name, or its Go name where json:"-" keeps it out of JSON. Embedded structs are
// flattened. The names in [Reserved] belong to list queries and are refused.
//
// # Tags
//
//	lithair:"primary_key"         ID, string or integer; without it the field called ID
//	lithair:"unique"              no two records have the same value
//	lithair:"indexed"             queries on it need not read every record
//	lithair:"index=a+b"           an index on several fields, in that order: see below
//	lithair:"unique=a+b"          no two records have the same values in all of them
//	lithair:"fk=Model"            refers to a record that exists; of the type of its primary key
//	lithair:"on_delete=..."       with fk: restrict (default), cascade, or set_null
//	lithair:"was=old_name"        the field was called so; it keeps its number and values
//	lithair:"created", "updated"  of type time.Time, set by the server
//	http:"expose"                 in JSON, which is the default
//	http:"hidden"                 never leaves by REST, and is refused in input
//	http:"validate=rule;rule"     see below
//	lifecycle:"immutable"         may not change after creation
//	lifecycle:"audited"           who gave it its value, and when, is kept as state: blame
//	                              tells it though the log is gone
//	lifecycle:"retention=DAYS"    of type time.Time; the record is removed so many days after it
//
//	privacy:"subject"             whom the record is about: an ID, a string or an integer. Not
//	                              a name or an address: it stays when the subject is erased
//	privacy:"sealed"              stored under the subject's key, and gone when that is erased:
//	                              string, *string or []byte; no key, no index, no filter
//
// Words of a tag are separated by commas, rules by semicolons. Unknown words, and words of
// the grammar that this release does not carry out, are mistakes. Inside of nested structs
// rules are carried out, and nothing else.
//
// About the model as a whole, on a blank field, as in _ struct{} `lifecycle:"versioned=5"`:
//
//	lithair:"index=a+b"           and unique=a+b, as above
//	lifecycle:"immutable"         records are neither changed nor deleted, but by their retention
//	lifecycle:"audited"           all fields are
//	lifecycle:"versioned=N"       the newest N versions of each record, 1 to 1000, are kept as
//	                              state, the present one among them, with who made them and when
//	lifecycle:"retention=DAYS"    records are removed so many days, 1 to 36500, after their
//	                              created time
//	persist:"memory_only"         records live in this process alone
//
// Records are removed for their age by transactions of the system, by the time of log
// entries, and take what refers to them along as any delete does; one that cannot go, such
// as one that others refer to, stays until it can. What is kept of a record, its versions
// and audits, goes with it. A record without the time, or with a zero one, stays.
//
// A field of type [Blob], or a pointer to it, names a file that is kept beside the log.
//
// # Indexes
//
// An index over several fields is declared by name, on any field or, as all that is about
// the model as a whole, on a blank one:
//
//	_ struct{} `lithair:"index=author+created_at,unique=slug where deleted_at=null"`
//
// It serves queries that fix its first fields and range or sort over the next one. With
// where it is partial: only records that meet all its conditions, joined by and, are in
// it. A condition is a field, one of = != < <= > >=, and an operand as in queries; null is
// "no value". A unique index does not hold records of which an optional field has no
// value. An index has at most 8 fields, a model at most 32 such indexes.
//
// # Rules
//
//	email           an address as RFC 5322 writes it, with a domain of two labels or more
//	url             absolute, http or https, with a host
//	uuid            36 characters, either case
//	non_empty       at least one character or element
//	length(a,b)     a to b characters (not bytes) of text, or elements; both included
//	min_length(n)   at least
//	max_length(n)   at most
//	range(a,b)      a number from a to b, both included; NaN is out of any range
//	min(n), max(n)  at least, at most
//	regex("...")    matches somewhere in the text: write ^ and $ to match all of it.
//	                In RE2 syntax, as package regexp has it; quotes and backslashes are
//	                escaped for the tag and once more for the string
//
// A rule on a pointer holds when there is a value; nil is fine. [Model.Validate] reports
// every rule that is broken, in lists, maps and nested structs as well, each with a JSON
// Pointer.
//
// # Concurrency
//
// A [Model], a [Schema] and a [Codec] are read-only once made and safe for concurrent use.
package model
