//go:build !race

package lithair

const raceEnabled = false
