package awskms

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

// exchange is a request and an answer of AWS's manual.
type exchange struct {
	request  *http.Request
	asked    map[string]any
	response []byte
	answered map[string]any
}

func published(t *testing.T) exchange {
	t.Helper()
	var e exchange
	raw, err := os.ReadFile("testdata/API_Decrypt.request.http")
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(raw), "\n\n")
	if e.request, err = http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\n\n"))); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(body), &e.asked); err != nil {
		t.Fatal(err)
	}
	if e.response, err = os.ReadFile("testdata/API_Decrypt.response.json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.response, &e.answered); err != nil {
		t.Fatal(err)
	}
	return e
}

// What we ask is what the manual asks, and what the manual answers is understood.
func TestThePublishedExchange(t *testing.T) {
	t.Parallel()
	e := published(t)
	var asked map[string]any
	var head http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &asked)
		head = r.Header
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(e.response)
	}))
	t.Cleanup(s.Close)

	arn, _ := e.asked["KeyId"].(string)
	blob, _ := e.asked["CiphertextBlob"].(string)
	ciphertext, err := base64.StdEncoding.DecodeString(blob)
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(t, Config{KeyID: arn, Endpoint: s.URL}, nil).Unwrap(t.Context(), keyring.Wrapped{KeyID: arn, Ciphertext: ciphertext}, nil)
	if want := "This is Day 1 for the Internet\n"; err != nil || string(got) != want {
		t.Errorf("Unwrap = %q, %v; want %q", got, err, want)
	}
	if diff := cmp.Diff(e.asked, asked); diff != "" {
		t.Errorf("the request (-published +sent):\n%s", diff)
	}
	for _, name := range []string{"X-Amz-Target", "Content-Type"} {
		if head.Get(name) != e.request.Header.Get(name) {
			t.Errorf("%s: %q, want %q", name, head.Get(name), e.request.Header.Get(name))
		}
	}
	scope := "/us-west-2/kms/aws4_request, SignedHeaders="
	if !strings.Contains(head.Get("Authorization"), scope) || !strings.Contains(e.request.Header.Get("Authorization"), scope) {
		t.Errorf("Authorization: %s", head.Get("Authorization"))
	}
}

// The server of the tests answers as the manual does.
func TestTheServerAnswersAsPublished(t *testing.T) {
	t.Parallel()
	e := published(t)
	server := kmstest.NewAWS(t)
	var answer []byte
	var header http.Header
	w := open(t, Config{KeyID: alias, Region: kmstest.AWSRegion, Endpoint: server.URL}, &http.Client{Transport: watching(func(r *http.Response) {
		answer, _ = io.ReadAll(r.Body)
		header = r.Header
		r.Body = io.NopCloser(strings.NewReader(string(answer)))
	})})
	kmstest.WantWraps(t, w)
	var members map[string]any
	if err := json.Unmarshal(answer, &members); err != nil {
		t.Fatal(err)
	}
	for name, published := range e.answered {
		if _, ok := members[name]; !ok && name != "KeyMaterialId" { // which came later, and nobody needs
			t.Errorf("the answer lacks %s (%v)", name, published)
		}
	}
	if len(members) != len(e.answered)-1 || header.Get("Content-Type") != "application/x-amz-json-1.1" || header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("the answer is %v with %v", members, header)
	}
}

// The manual's request is refused for its signature, and not for its form.
func TestTheServerKnowsThePublishedRequest(t *testing.T) {
	t.Parallel()
	e := published(t)
	server := kmstest.NewAWS(t)
	body, err := json.Marshal(e.asked)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = e.request.Header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, _ := io.ReadAll(response.Body)
	codes := []string{`"__type":"InvalidSignatureException"`, "Signature expired"}
	if slices.ContainsFunc(codes, func(code string) bool { return !strings.Contains(string(answer), code) }) {
		t.Errorf("%d %s", response.StatusCode, answer)
	}
}

// watching looks at answers before the client does.
type watching func(*http.Response)

func (w watching) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		w(response)
	}
	return response, err
}
