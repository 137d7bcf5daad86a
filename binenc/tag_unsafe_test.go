//go:build !purego

package binenc

const portable = false
