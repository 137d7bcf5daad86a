// Package binenc is a canonical binary codec.
package binenc
