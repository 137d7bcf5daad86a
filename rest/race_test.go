//go:build race

package rest_test

// raceEnabled: the detector allocates by itself.
const raceEnabled = true
