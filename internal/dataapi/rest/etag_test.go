package rest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/fluxbase/fluxbase/internal/dataapi"
)

type secret string

func (s *secret) MAC(message []byte) []byte {
	h := hmac.New(sha256.New, []byte(*s))
	h.Write(message)
	return h.Sum(nil)
}

// TestTags differ where anything of an answer does, and are otherwise the same
// on every instance that has the secret.
func TestTags(t *testing.T) {
	t.Parallel()
	ours, theirs := secret("ours"), secret("theirs")
	here, there := &tagger{mac: &ours}, &tagger{mac: &ours}
	body := bytes.Repeat([]byte(`{"id":1},`), 1000)
	plain := media{name: "application/json"}
	total := int64(7)
	tag := here.of(dataapi.Result{Body: body, Count: 3}, plain)
	if len(tag) != 2+32 || tag != here.of(dataapi.Result{Body: bytes.Clone(body), Count: 3}, plain) || tag != there.of(dataapi.Result{Body: body, Count: 3}, plain) {
		t.Fatalf("the same answer has another tag: %s", tag)
	}
	seen := map[string]string{tag: "the answer itself"}
	other := func(what, tag string) {
		if before, ok := seen[tag]; ok {
			t.Errorf("%s has the tag of %s", what, before)
		}
		seen[tag] = what
	}
	for i := range body {
		flipped := bytes.Clone(body)
		flipped[i] ^= 1
		other("another byte", here.of(dataapi.Result{Body: flipped, Count: 3}, plain))
	}
	other("a shorter body", here.of(dataapi.Result{Body: body[:len(body)-1], Count: 3}, plain))
	other("a longer body", here.of(dataapi.Result{Body: append(bytes.Clone(body), 0), Count: 3}, plain))
	other("no body", here.of(dataapi.Result{Count: 3}, plain))
	other("another range", here.of(dataapi.Result{Body: body, Count: 4}, plain))
	other("a total", here.of(dataapi.Result{Body: body, Count: 3, Total: &total}, plain))
	other("another media type", here.of(dataapi.Result{Body: body, Count: 3}, media{name: "text/csv"}))
	other("another secret", (&tagger{mac: &theirs}).of(dataapi.Result{Body: body, Count: 3}, plain))
	ours = "ours, another day"
	other("a secret that has changed", here.of(dataapi.Result{Body: body, Count: 3}, plain))
	if here.of(dataapi.Result{Body: body, Count: 3}, plain) == there.of(dataapi.Result{Body: body, Count: 4}, plain) {
		t.Error("two answers have one tag")
	}
}
