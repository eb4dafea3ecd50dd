package password

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// details are the reasons of an error, all about /password.
func details(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	f := fault.From(err)
	if f.Kind != fault.Invalid || f.Code != "weak_password" {
		t.Errorf("%+v", f)
	}
	var all []string
	for _, field := range f.Fields {
		if field.Pointer != "/password" {
			t.Errorf("about %s", field.Pointer)
		}
		all = append(all, field.Detail)
	}
	if f.Detail != strings.Join(all, " ") {
		t.Errorf("%q does not name all of %q", f.Detail, all)
	}
	return all
}

const (
	short    = "Use at least 8 characters."
	long     = "Use at most 72 bytes; letters outside ASCII take several."
	upper    = "Use an upper-case letter."
	lower    = "Use a lower-case letter."
	digits   = "Use a digit."
	special  = "Use a special character, such as ! or a space."
	aCommon  = "This is one of the most common passwords. Use another."
	anAbout  = "Do not use your e-mail address or the name of this service as your password."
	breached = "This password is in a known data breach. Use another."
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	length := Policy{MinLength: 8}
	all := Policy{MinLength: 8, RequireUppercase: true, RequireLowercase: true, RequireDigit: true, RequireSpecial: true}
	for _, c := range []struct {
		policy   Policy
		password string
		want     []string
	}{
		{length, "1234567", []string{short}},
		{length, "12345678", nil},
		{length, "äöüäöüä", []string{short}}, // 14 bytes
		{length, "äöüäöüäö", nil},
		{length, "🔑🔑🔑🔑🔑🔑🔑🔑", nil},
		{length, "        ", nil},
		{length, "", []string{short}},
		{length, strings.Repeat("x", 72), nil},
		{length, strings.Repeat("x", 73), []string{long}},
		{length, strings.Repeat("ä", 36), nil},
		{length, strings.Repeat("ä", 37), []string{long}},
		{length, "\xff2345678", []string{"The password is not valid UTF-8."}},
		{length, "1234\x005678", []string{"Leave out the NUL character."}},
		{all, "Aa3! 678", nil},
		{all, "Ää3 5678", nil},
		{all, "Ωω٣.5678", nil}, // Greek has cases, and Arabic digits
		{all, "aa3!5678", []string{upper}},
		{all, "AA3!5678", []string{lower}},
		{all, "Aab!cdef", []string{digits}},
		{all, "Aab½c!ef", []string{digits}},
		{all, "Aa345678", []string{special}},
		{all, "Aa34567e\u0301", []string{special}}, // an accent belongs to its letter
		{all, "Aa34567\t", []string{special}},
		{all, "日本語日本語日本", []string{upper, lower, digits, special}},
		{all, "x", []string{short, upper, digits, special}},
		{Policy{RequireUppercase: true}, "x", []string{upper}},
		{Policy{RequireLowercase: true}, "X", []string{lower}},
		{Policy{RequireDigit: true}, "x", []string{digits}},
		{Policy{RequireSpecial: true}, "x", []string{special}},
		{Policy{}, "", nil},
	} {
		if diff := cmp.Diff(c.want, details(t, c.policy.Check("/password", c.password))); diff != "" {
			t.Errorf("%q under %+v (-want +got):\n%s", c.password, c.policy, diff)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := newService(t, 1, 0)
	const email = "ada.lovelace+test@example.com"
	for _, c := range []struct {
		password string
		want     []string
	}{
		{"correct horse", nil},
		{"password", []string{aCommon}},
		{"PassWord", []string{aCommon}},
		{"password ", nil}, // as typed: nothing is trimmed
		{"123456", []string{short, aCommon}},
		{"qwertyuiop", []string{aCommon}},
		{email, []string{anAbout}},
		{"ADA.lovelace+test@Example.com", []string{anAbout}},
		{"ada.lovelace+test", []string{anAbout}},
		{"Ada.Lovelace", []string{anAbout}},
		{"ada.lovelace1", nil},
		{"fluxbase", []string{anAbout}},
		{"FluxBase", []string{anAbout}},
		{"example.com", nil},
	} {
		if diff := cmp.Diff(c.want, details(t, s.Check(context.Background(), "/password", c.password, email))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.password, diff)
		}
	}
	if err := s.Check(context.Background(), "/password", "ada.lovelace", ""); err != nil {
		t.Errorf("control: about nothing: %v", err)
	}
}

// The list has to be as it is looked up: lower case, sorted, no line of nothing.
func TestCommonPasswords(t *testing.T) {
	t.Parallel()
	words, err := readCommon()
	if err != nil {
		t.Fatal(err)
	}
	if len(words) != 42_692 {
		t.Errorf("%d passwords", len(words))
	}
	for i, word := range words {
		if word != strings.ToLower(word) || len(word) < 6 || i > 0 && words[i-1] >= word {
			t.Fatalf("%q is out of place", word)
		}
	}
}
