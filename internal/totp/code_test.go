package totp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestVectors are those of RFC 4226, appendix D, and of the SHA-1 column of RFC
// 6238, appendix B, whose codes have two digits more in front.
func TestVectors(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	for counter, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := generate(seed, int64(counter)); string(got[:]) != want {
			t.Errorf("counter %d: %s, want %s", counter, got, want)
		}
	}
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := generate(seed, stepAt(time.Unix(at, 0))); string(got[:]) != want[2:] {
			t.Errorf("time %d: %s, want %s", at, got, want[2:])
		}
	}
}

// TestSkew asks at both ends of a step for the codes of the steps around it.
func TestSkew(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	const step = 41152263
	for _, second := range []int64{step * period, step*period + period - 1} {
		for off := int64(-3); off <= 3; off++ {
			var want []int64
			if off >= -1 && off <= 1 {
				want = []int64{step + off}
			}
			if got := matches(seed, generate(seed, step+off), time.Unix(second, 0)); !slices.Equal(got, want) {
				t.Errorf("at %d the code of step %+d matches %v, want %v", second, off, got, want)
			}
		}
	}
}

func TestParseCode(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"012345", "012 345", " 012345 ", "0 1 2 3 4 5"} {
		if c, ok := parseCode(text); !ok || string(c[:]) != "012345" {
			t.Errorf("%q: %s, %v", text, c, ok)
		}
	}
	for _, text := range []string{
		"", "      ", "12345", "1234567", "0012345", "12345a", "12345-", "-12345", "+12345", "1234.5", "0x1234", "1e1000", "012-345",
		"012\t345", "012\n345", "12345\x00", "012\u00a0345",
		"\u0661\u0662\u0663\u0664\u0665\u0666", "\uff11\uff12\uff13\uff14\uff15\uff16", "\u06f1\u06f2\u06f3", // Arabic-Indic, full width; six bytes
		"\U0001d7ce12", "123\u0664", "\u00b2\u00b3\u00b9",
	} {
		if c, ok := parseCode(text); ok {
			t.Errorf("%q is taken for %s", text, c)
		}
	}
}

func TestParseRecoveryCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"01abc-defgh": "01abcdefgh", "01ABC-DEFGH": "01abcdefgh", "01abcdefgh": "01abcdefgh", " 01abc defgh ": "01abcdefgh",
		"olioi-LIO00": "0110111000", "-0-1-a-b-c-d-e-f-g-h-": "01abcdefgh",
	} {
		if got, ok := parseRecoveryCode(text); !ok || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "-", "01abc-defg", "01abc-defghj", "01abc_defgh", "01abc-defgu", "01abc-defg!", "01abc-defg\x00", "01abc-def\u0433",
		"\u212a1abcdefgh", "01abc-d\u2013efg", "\uff10\uff11abcd", "01abcdefgh" + strings.Repeat("-", 31),
	} {
		if got, ok := parseRecoveryCode(text); ok {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
}

// TestRecoveryCodesAreRandom sees every character in every place, and no code
// twice.
func TestRecoveryCodesAreRandom(t *testing.T) {
	t.Parallel()
	seen, places := map[string]bool{}, map[string]bool{}
	for range 2000 {
		c := newRecoveryCode()
		if got, ok := parseRecoveryCode(c); !ok || got != c {
			t.Fatalf("%q is read as %q, %v", c, got, ok)
		}
		seen[c] = true
		for i, b := range []byte(c) {
			places[fmt.Sprint(i, string(b))] = true
		}
	}
	if len(seen) != 2000 || len(places) != recoveryLength*len(alphabet) || len(alphabet) != 32 {
		t.Errorf("%d codes, %d characters in places", len(seen), len(places))
	}
}

func TestParseSeed(t *testing.T) {
	t.Parallel()
	seed := "12345678901234567890"
	for _, text := range []string{
		"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq", "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ",
	} {
		if got, err := ParseSeed(text); err != nil || string(got) != seed {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for size := range 70 {
		seed := strings.Repeat("x", size)
		for _, text := range []string{encodeSeed([]byte(seed)), encodeSeed([]byte(seed)) + "===="} {
			got, err := ParseSeed(text)
			if ok := size >= 10 && size <= 64; (err == nil) != ok || ok && string(got) != seed {
				t.Errorf("%d bytes: %q, %v", size, got, err)
			}
		}
	}
	for _, text := range []string{"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "GEZDGNBVGY3TQOJQ\nGEZDGNBVGY3TQOJ!", "GEZD=GNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "\u0413EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"} {
		if got, err := ParseSeed(text); err == nil || strings.Contains(err.Error(), "GEZD") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\u00e9", MaxName)
	for name, want := range map[string]string{
		"": "Authenticator", " \t": "Authenticator", " phone ": "phone", "a'b\"<c>": "a'b\"<c>", long: long, "\u96fb\u8a71 \U0001f4f1": "\u96fb\u8a71 \U0001f4f1",
	} {
		if got, err := cleanName(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{long + "x", "a\x00b", "a\nb", "a\x1b[31mb", "\xff", "a\u0085b"} {
		if got, err := cleanName(name); err == nil {
			t.Errorf("%q: %q", name, got)
		}
	}
}
