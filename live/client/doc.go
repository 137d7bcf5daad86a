// Package client follows live queries and event feeds of a Lithair application, see package live
// and its SPEC.md.
package client
