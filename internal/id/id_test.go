package id

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// RFC 9562, section 5.7: 48 bits of Unix milliseconds, version 7, variant 10.
func TestNewIsVersion7(t *testing.T) {
	t.Parallel()
	for _, now := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(1), time.UnixMilli(1645557742000), time.UnixMilli(1<<48 - 1),
		time.Date(2026, 11, 22, 1, 2, 3, 456_999_999, time.FixedZone("", 3600)),
	} {
		u := New(now)
		if got := int64(binary.BigEndian.Uint64(u[:8]) >> 16); got != now.UnixMilli() {
			t.Errorf("New(%v): time %d, want %d", now, got, now.UnixMilli())
		}
		if u[6]>>4 != 7 || u[8]>>6 != 0b10 {
			t.Errorf("New(%v) = %s: version %d, variant %b", now, u, u[6]>>4, u[8]>>6)
		}
	}
}

func TestEveryOtherBitIsRandom(t *testing.T) {
	t.Parallel()
	ones, zeros, seen := UUID{}, UUID{}, map[UUID]bool{}
	now := time.UnixMilli(1645557742000)
	const n = 5000
	for range n {
		u := New(now)
		seen[u] = true
		for i, b := range u {
			ones[i] |= b
			zeros[i] |= ^b
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d identifiers of one instant are different", len(seen), n)
	}
	// A bit that is always the same is missing in one of the two.
	want := UUID{6: 0x0f, 7: 0xff, 8: 0x3f, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}
	for i := range want {
		if got := ones[i] & zeros[i]; got != want[i] {
			t.Errorf("byte %d: bits that vary are %08b, want %08b", i, got, want[i])
		}
	}
}

func TestTextSortsByTime(t *testing.T) {
	t.Parallel()
	var texts []string
	for ms := int64(1); ms < 1<<47; ms = ms*3 + 1 {
		texts = append(texts, New(time.UnixMilli(ms)).String())
	}
	if !slices.IsSorted(texts) {
		t.Errorf("not in the order of their times: %q", texts)
	}
}

func TestParseRoundTrip(t *testing.T) {
	t.Parallel()
	const text = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f" // RFC 9562, appendix A.6
	for _, s := range []string{text, strings.ToUpper(text)} {
		u, err := Parse(s)
		if err != nil || u.String() != text {
			t.Errorf("Parse(%q) = %q, %v", s, u, err)
		}
	}
	for range 100 {
		want := New(time.Now())
		if got, err := Parse(want.String()); err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v", want, got, err)
		}
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"nothing":         "",
		"short":           "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"long":            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
		"long by a byte":  "017f22e2-79b0-7cc3-98c4-dc0c0c07398f00",
		"without hyphens": "017f22e279b07cc398c4dc0c0c07398f",
		"padded":          "017f22e279b07cc398c4dc0c0c07398f    ",
		"braces":          "{017f22e2-79b0-7cc3-98c4-dc0c0c0739}",
		"URN":             "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		"space":           " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		"newline":         "017f22e2-79b0-7cc3-98c4-dc0c0c07398\n",
		"not hexadecimal": "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
		"first hyphen":    "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
		"second hyphen":   "017f22e2-79b007cc3-98c4-dc0c0c07398f",
		"third hyphen":    "017f22e2-79b0-7cc3098c4-dc0c0c07398f",
		"fourth hyphen":   "017f22e2-79b0-7cc3-98c40dc0c0c07398f",
		"wide digits":     "０17f22e2-79b0-7cc3-98c4-dc0c0c0739",
	} {
		if u, err := Parse(s); !errors.Is(err, ErrMalformed) || !u.IsZero() {
			t.Errorf("%s: Parse(%q) = %q, %v", name, s, u, err)
		}
	}
}

func TestNoneIsEmptyText(t *testing.T) {
	t.Parallel()
	var none User
	if !none.IsZero() || none.String() != "" {
		t.Errorf("IsZero() = %v, String() = %q", none.IsZero(), none)
	}
	if one := (User{15: 1}); one.IsZero() || one.String() == "" {
		t.Errorf("%q counts as none", one)
	}
	if u, err := Parse("00000000-0000-0000-0000-000000000000"); err != nil || !u.IsZero() {
		t.Errorf("the nil UUID: %q, %v", u, err)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type doc struct{ User User }
	want := doc{User(New(time.Now()))}
	text, err := json.Marshal(want)
	if err != nil || string(text) != `{"User":"`+want.User.String()+`"}` {
		t.Fatalf("Marshal = %s, %v", text, err)
	}
	var got doc
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What was in the variable before must not pass for what was read.
func TestMalformedTextLeavesNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "nonsense", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g"} {
		u := Session(New(time.Now()))
		if err := u.UnmarshalText([]byte(text)); !errors.Is(err, ErrMalformed) || !u.IsZero() {
			t.Errorf("UnmarshalText(%q): %v, left %q", text, err, u)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
	f.Add("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
	f.Add("00000000-0000-0000-0000-000000000000")
	f.Add("--------------------------------------")
	f.Add("017f22e2-79b0-7cc3-98c4-dc0c0c07398\xff")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		switch {
		case err != nil:
			if !errors.Is(err, ErrMalformed) || !u.IsZero() || strings.Contains(err.Error(), s) && len(s) > 5 {
				t.Fatalf("Parse(%q) = %q, %v", s, u, err)
			}
		case u.IsZero():
			if strings.Trim(s, "0-") != "" {
				t.Fatalf("Parse(%q) is none", s)
			}
		case u.String() != strings.ToLower(s):
			t.Fatalf("Parse(%q) = %q", s, u)
		}
	})
}
