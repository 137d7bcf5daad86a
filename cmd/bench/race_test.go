//go:build race

package main

// raceEnabled: the detector allocates by itself.
const raceEnabled = true
