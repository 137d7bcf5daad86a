//go:build purego

package binenc

const portable = true
