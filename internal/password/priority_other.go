//go:build !linux

package password

// makeWay does nothing where it is not known to help.
func makeWay() {}

// stepBack does nothing where priorities belong to processes only.
func stepBack(int) {}
