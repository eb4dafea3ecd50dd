package keyring

import (
	"encoding/hex"
	"testing"
)

// What providers have authenticated must stay readable for good.
func TestEncodingOfABindingIsFixed(t *testing.T) {
	t.Parallel()
	for want, binding := range map[string]map[string]string{
		"0100000000": nil,
		"0100000002" + "0000000161" + "0000000178" + "000000026262" + "00000000": {"bb": "", "a": "x"},
	} {
		for range 20 { // the order of a map is random
			if got := hex.EncodeToString(EncodeBinding(binding)); got != want {
				t.Errorf("EncodeBinding(%v) = %s, want %s", binding, got, want)
			}
		}
	}
}

func TestNoTwoBindingsEncodeAlike(t *testing.T) {
	t.Parallel()
	seen := map[string]map[string]string{}
	for _, binding := range []map[string]string{
		{},
		{"": ""},
		{"a": "b"},
		{"a": "", "b": ""},
		{"ab": ""},
		{"": "ab"},
		{"a": "b", "c": "d"},
		{"a": "d", "c": "b"},
		{"a": "b\x00\x00\x00\x01c\x00\x00\x00\x01d"},
		{"a": "B"},
	} {
		data := string(EncodeBinding(binding))
		if twin, twice := seen[data]; twice {
			t.Errorf("%v and %v encode alike", binding, twin)
		}
		seen[data] = binding
	}
}
