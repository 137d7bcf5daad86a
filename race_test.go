//go:build race

package lithair

// raceEnabled: the detector allocates by itself.
const raceEnabled = true
