// Package openapi describes an HTTP interface as OpenAPI 3.1 does: each route with its
// parameters, bodies, header fields, errors and guards, and a schema for each type.
//
//	doc := openapi.Document{Title: "blog", Version: "1.4", Routes: patterns, Collections: ..., Operations: ...}
//	text, err := doc.JSON()
//
// Routes is every pattern there is, so that nothing is left out: what Collections and
// Operations say nothing of is described by its path alone. The text is the same for the same
// input. Schemas are JSON Schema 2020-12, as OpenAPI 3.1 has it: what may be null says so, and
// rules of http:"validate=" become minLength, pattern, minimum and the like. A regex rule is
// in RE2 syntax; where ECMA-262 reads it otherwise, the server is right.
//
// [Page] is a page that shows such a document: three files without anything from elsewhere, to
// be served under a policy that allows nothing but them.
//
// A [Document] is a value; its methods do not change it.
package openapi
