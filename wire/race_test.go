//go:build race

package wire

// raceEnabled: the detector allocates by itself.
const raceEnabled = true
