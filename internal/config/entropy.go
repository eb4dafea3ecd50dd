package config

import (
	"math"
	"strings"
	"unicode"
)

// known is text that people type when they are asked for something random; a
// piece of a secret that is in it counts for next to nothing.
const known = "01234567890 0123456789abcdefghijklmnopqrstuvwxyz0123456789 zyxwvutsrqponmlkjihgfedcba9876543210 " +
	"qwertyuiopasdfghjklzxcvbnm 1qaz2wsx3edc4rfv5tgb6yhn7ujm password passphrase development production localhost"

const (
	knownRun = 8  // characters from which on a repetition is no coincidence
	wordBits = 13 // of a word: lists to draw passphrases from have 7,776
)

// bits is an estimate from above of how many bits of entropy a secret has: its
// length in the smallest alphabet that it is written in, without what repeats
// itself or is known, and without the letters of words but for the choice of
// the word. What a good generator makes is estimated at no less than it has.
func bits(secret string) int {
	secret = strings.TrimRight(secret, "=") // of base64
	each := math.Log2(float64(alphabet(secret)))
	estimate := float64(novel(strings.ToLower(secret))) * each
	if words, letters, all := wordsIn(secret); letters*10 >= all*8 {
		estimate = min(estimate, float64(words*wordBits)+float64(len(secret)-letters)*each)
	}
	return int(estimate)
}

// alphabet returns how many characters there are to choose from in the smallest
// of the usual alphabets that a secret is written in.
func alphabet(secret string) int {
	var lower, upper, digit, other, beyondHex bool
	for _, r := range secret {
		switch {
		case r >= '0' && r <= '9':
			digit = true
		case r >= 'a' && r <= 'z':
			lower, beyondHex = true, beyondHex || r > 'f'
		case r >= 'A' && r <= 'Z':
			upper, beyondHex = true, beyondHex || r > 'F'
		default:
			other, beyondHex = true, true
		}
	}
	if !beyondHex && (!lower || !upper) {
		if lower || upper {
			return 16
		}
		return 10
	}
	size := 0
	for _, part := range []struct {
		used bool
		size int
	}{{lower, 26}, {upper, 26}, {digit, 10}, {other, 33}} {
		if part.used {
			size += part.size
		}
	}
	if lower && upper && strings.Trim(secret, base64Letters) == "" {
		return 64 // also where chance has left its digits out
	}
	return size
}

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"

// novel counts the characters of a text that are news: a run that has been there
// before, or is known, counts as two.
func novel(text string) int {
	count := 0
	for at := 0; at < len(text); {
		before, run := known+"\n"+text[:at], 0
		for at+run < len(text) && strings.Contains(before, text[at:at+run+1]) {
			run++
		}
		if run >= knownRun {
			count, at = count+2, at+run
			continue
		}
		count, at = count+1, at+1
	}
	return count
}

// wordsIn counts what looks like words, which are 4 to 14 letters of one case
// with a vowel, the first perhaps a capital; their letters; and all letters and
// digits.
func wordsIn(secret string) (words, letters, all int) {
	run, vowels := 0, 0
	end := func() {
		if run >= 4 && run <= 14 && vowels > 0 {
			words, letters = words+1, letters+run
		}
		run, vowels = 0, 0
	}
	upper := false
	for _, r := range secret {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			all++
		}
		switch {
		case !unicode.IsLetter(r):
			end()
			continue
		case run == 1 && upper && unicode.IsLower(r): // a capital begins the word
			upper = false
		case run > 0 && unicode.IsUpper(r) != upper:
			end()
		}
		if run == 0 {
			upper = unicode.IsUpper(r)
		}
		run++
		if strings.ContainsRune("aeiouyAEIOUY", r) {
			vowels++
		}
	}
	end()
	return words, letters, all
}
