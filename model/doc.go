// Package model reads what a struct says about itself.
package model
