package totp

import "time"

// CodeAt is what an app shows at an instant.
func CodeAt(secret string, at time.Time) string {
	seed, err := ParseSeed(secret)
	if err != nil {
		panic(err)
	}
	c := generate(seed, stepAt(at))
	return string(c[:])
}
