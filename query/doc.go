// Package query answers list requests over stored records: it parses the list grammar,
// picks an access path, filters, sorts and pages.
//
// Filters and sorts work on the stored bytes. A value is compared by its order-preserving
// key encoding (binenc.AppendKeyRaw), the same that indexes hold, so a scan and an index
// can never disagree about order.
//
//	q, err := query.Parse(m, schema, pairs, query.Options{})  // *Error: a 400 for the client
//	page, err := query.Run(q, source)
//
// # Grammar
//
// Each pair of the query string is decoded already. The names skip, take, sort and fields
// have their meaning below; level, freshness, freshness_strict and min_index are left to
// the caller; every other name is a field, and its value begins with an operator:
//
//	f=v    equal          f=!v   not equal
//	f=>v   greater        f=>=v  greater or equal
//	f=<v   less           f=<=v  less or equal
//	f=~v   text contains v, upper and lower case alike
//	f==v   equal, all of v taken literally
//	f=in(a,b,c)   equal to one of these, at most 100; null is allowed where it is above
//
// or=(a=1,b=>2,c=in(3,4)) holds when one of its conditions does, at most 100. In lists,
// text with a comma, a quote or a parenthesis stands in double quotes, with \" and \\ for
// a quote and a backslash; quoted text is taken literally.
//
// Several conditions, on the same field too, must all hold. On an optional field the word
// null stands for "no value": f=null, f=!null; a text "null" is f==null. A field without a
// value is not equal to any value and neither greater nor less. Lists, maps, nested
// structs and bytes cannot be filtered or sorted by.
//
//	skip=N        records passed over, 0 by default
//	take=N        records at most; above Options.MaxTake it is cut to that
//	sort=a,-b     ascending by a, then descending by b; ties go by primary key, in the
//	              direction of the last field. Without sort: by primary key.
//	fields=a,b    the members a client wants; Run does not use it
//
// expand and cursor are reserved and refused.
//
// # Access paths
//
// In this order: an equality on the primary key or a unique field looks one record up; the
// index that equalities on its first fields and a range on the next one narrow the most is
// scanned, of equals the one that gives the order asked for; a range of primary keys is; a
// sort by the primary key or an index is read in order; else all records are scanned. A
// partial index is used where the conditions imply its own, a unique one with optional
// fields where they exclude absent values. Where no
// condition is left and the path gives the order asked for, skip costs O(log n).
// [Query.Explain] says which was taken.
//
// A [Query] is immutable after Parse and safe for concurrent use.
package query
