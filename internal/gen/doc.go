// Package gen writes the code that a package's structs ask for with //lithair:model and
// //lithair:api: typed collections, queries and events, validation and codecs without
// reflection, routes, and one Register for all of it, in one file, zz_lithair.go.
//
//	p, err := gen.Load(dir)              // parsed, and checked as far as that goes
//	out := gen.Generate(p)               // out.Source, or out.Mistakes
//
// # What is read
//
// A type of the package with a method Apply(*Model) error is a custom event of that model: the collection
// has EmitX and OnX for it, but those that the package declares itself.
//
// The Go files of one folder, without tests, by go/parser. Types are found by go/types with
// its errors tolerated, so that a package need not compile, and does not before its first
// generation: names are looked up in the folder, in other folders of the same module, in the
// standard library's source, and in what this package knows of the framework. A type that
// comes from elsewhere is printed as it stands and left to reflection, with a note.
//
// # What decides
//
// A struct becomes a reflect.Type with the same fields and tags, of which package model makes
// a Model, as it does of the struct itself when the program runs: so there is one reader of
// tags, and generator and framework cannot disagree. Mistakes that it finds are put at their
// place in the source.
//
// Output depends on the source alone: no time, no version, no order of a map.
package gen
