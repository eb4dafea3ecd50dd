package signing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
	"testing"
)

const typ = "at+jwt"

// The keys of a verifier: one that is asymmetric, one that is not.
type keys struct{ ec, mac *key }

func newKeys(tb testing.TB) keys {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return keys{
		&key{kid: "ec", alg: "ES256", private: private},
		&key{kid: "mac", alg: "HS256", secret: []byte("a secret of thirty-two bytes or more")},
	}
}

func (k keys) find(kid string) *key { return map[string]*key{"ec": k.ec, "mac": k.mac}[kid] }

func (k keys) verify(token string) ([]byte, error) { return verify(typ, token, k.find) }

const payload = `{"sub":"somebody","role":"authenticated"}`

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs a header of any text with a key, as honestly as that key can.
func forge(tb testing.TB, k *key, header string) string {
	tb.Helper()
	input := encode(header) + "." + encode(payload)
	signature, err := k.signature(input)
	if err != nil {
		tb.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func sign(tb testing.TB, k *key) string {
	tb.Helper()
	token, err := k.sign(typ, []byte(payload))
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func wantAccepted(t *testing.T, k keys, what, token string) {
	t.Helper()
	if got, err := k.verify(token); err != nil || string(got) != payload {
		t.Errorf("%s: %q, %v", what, got, err)
	}
}

func wantRefused(t *testing.T, k keys, what, token string) {
	t.Helper()
	got, err := k.verify(token)
	if !errors.Is(err, ErrToken) || got != nil {
		t.Errorf("%s is accepted: %q, %v", what, got, err)
	}
	if err != nil && len(token) > 30 && strings.Contains(err.Error(), token[:20]) {
		t.Errorf("%s: the error repeats the token", what)
	}
}

func TestSignedTokenVerifies(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for alg, key := range map[string]*key{"ES256": k.ec, "HS256": k.mac} {
		token := sign(t, key)
		wantAccepted(t, k, alg, token)
		head, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		if want := `{"alg":"` + alg + `","kid":"` + key.kid + `","typ":"at+jwt"}`; err != nil || string(head) != want {
			t.Errorf("header %s, %v", head, err)
		}
	}
}

// RFC 7515, appendix A.3: a signature of the standard, which nobody here made.
func TestSignatureOfTheStandard(t *testing.T) {
	t.Parallel()
	number := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Int).SetBytes(b)
	}
	private := &ecdsa.PrivateKey{}
	private.Curve = elliptic.P256()
	private.X, private.Y = number("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), number("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
	k := &key{alg: "ES256", private: private}
	const input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	signature, err := base64.RawURLEncoding.DecodeString("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
	if err != nil || !k.holds(input, signature) {
		t.Errorf("does not hold: %v", err)
	}
	if k.holds(input+"x", signature) {
		t.Error("holds for another text")
	}
}

func TestAlgNoneIsRefused(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", " none", "", "null", "no\u212ae", "ES256\x00", "es256", "Es256", "ES256 "} {
		head, err := json.Marshal(map[string]string{"alg": alg, "kid": "ec", "typ": typ})
		if err != nil {
			t.Fatal(err)
		}
		input := encode(string(head)) + "." + encode(payload)
		wantRefused(t, k, alg+" without signature", input+".")
		wantRefused(t, k, alg+" without a third part", input)
		wantRefused(t, k, alg+" with a good signature", forge(t, k.ec, string(head)))
		wantRefused(t, k, alg+" with a good MAC", forge(t, k.mac, strings.Replace(string(head), `"ec"`, `"mac"`, 1)))
	}
	for _, head := range []string{
		`{"kid":"ec","typ":"at+jwt"}`, `{"alg":null,"kid":"ec","typ":"at+jwt"}`, `{"alg":["ES256"],"kid":"ec","typ":"at+jwt"}`, `{"alg":256,"kid":"ec","typ":"at+jwt"}`,
	} {
		wantRefused(t, k, head, forge(t, k.ec, head))
	}
}

// The attack that made key confusion famous: what is public serves as the HMAC
// secret. A key has one algorithm, so the header has no say.
func TestPublicKeyIsNoHMACSecret(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	public := &k.ec.private.PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	point, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := publicJWK(public)
	if err != nil {
		t.Fatal(err)
	}
	jwkText, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	armored := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, secret := range map[string][]byte{
		"PEM": armored, "PEM without its last line break": bytes.TrimSpace(armored), "DER": der, "point": point, "coordinates": point[1:], "x": point[1:33],
		"JWK": jwkText, "x in base64": []byte(jwk.X), "empty": {}, "hexadecimal": []byte(hex.EncodeToString(point)), "kid": []byte("ec"),
	} {
		attacker := &key{kid: "ec", alg: "HS256", secret: secret}
		wantRefused(t, k, name, sign(t, attacker))
		wantRefused(t, k, name+", under a lie", forge(t, attacker, `{"alg":"ES256","kid":"ec","typ":"at+jwt"}`))
		for _, h := range []func() hash.Hash{sha512.New, sha512.New384} {
			m := hmac.New(h, secret)
			input := encode(`{"alg":"HS512","kid":"ec","typ":"at+jwt"}`) + "." + encode(payload)
			m.Write([]byte(input))
			wantRefused(t, k, name+" with SHA-512", input+"."+base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
		}
	}
	wantRefused(t, k, "ES256 signature under the HS256 key", forge(t, k.ec, `{"alg":"HS256","kid":"mac","typ":"at+jwt"}`))
	wantRefused(t, k, "HS256 key that claims ES256", forge(t, k.mac, `{"alg":"ES256","kid":"mac","typ":"at+jwt"}`))
	wantAccepted(t, k, "the MAC key under its own name", sign(t, k.mac))
}

// Neither a key that the token brings along nor one that it points to.
func TestHeaderHoldsThreeMembers(t *testing.T) {
	t.Parallel()
	k, attacker := newKeys(t), newKeys(t)
	jwk, err := publicJWK(&attacker.ec.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	jwkText, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{
		`"jwk":` + string(jwkText), `"jku":"https://evil.example/jwks"`, `"x5u":"https://evil.example/c"`, `"x5c":["MIIB"]`, `"x5t":"x"`, `"x5t#S256":"x"`,
		`"crit":["exp"]`, `"crit":[]`, `"b64":false`, `"b64":false,"crit":["b64"]`, `"zip":"DEF"`, `"cty":"JWT"`, `"enc":"A256GCM"`, `"iss":"x"`, `"x":1`, `"":""`,
	} {
		header := `{"alg":"ES256","kid":"ec","typ":"at+jwt",` + member + `}`
		wantRefused(t, k, member, forge(t, k.ec, header))
		wantRefused(t, k, member+" of the attacker", forge(t, attacker.ec, header))
		wantRefused(t, k, member+" without kid", forge(t, attacker.ec, `{"alg":"ES256","typ":"at+jwt",`+member+`}`))
	}
	wantAccepted(t, k, "none of them", forge(t, k.ec, `{"alg":"ES256","kid":"ec","typ":"at+jwt"}`))
	wantAccepted(t, k, "another order", forge(t, k.ec, `{"typ":"at+jwt", "kid":"ec", "alg":"ES256"}`))
}

// A parser that takes the first of two and one that takes the last disagree on
// what was signed.
func TestHeaderIsReadStrictly(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for name, header := range map[string]string{
		"duplicate alg":            `{"alg":"none","kid":"ec","typ":"at+jwt","alg":"ES256"}`,
		"duplicate alg, the same":  `{"alg":"ES256","alg":"ES256","kid":"ec","typ":"at+jwt"}`,
		"duplicate alg by escape":  `{"alg":"ES256","\u0061lg":"ES256","kid":"ec","typ":"at+jwt"}`,
		"duplicate kid":            `{"alg":"ES256","kid":"mac","kid":"ec","typ":"at+jwt"}`,
		"duplicate typ":            `{"alg":"ES256","kid":"ec","typ":"at+jwt","typ":"at+jwt"}`,
		"Alg":                      `{"Alg":"ES256","kid":"ec","typ":"at+jwt"}`,
		"ALG besides alg":          `{"ALG":"none","alg":"ES256","kid":"ec","typ":"at+jwt"}`,
		"Kid":                      `{"alg":"ES256","Kid":"ec","typ":"at+jwt"}`,
		"Typ":                      `{"alg":"ES256","kid":"ec","Typ":"at+jwt"}`,
		"long s and Kelvin sign":   "{\"alg\":\"ES256\",\"\u212aid\":\"ec\",\"typ\":\"at+jwt\"}",
		"trailing object":          `{"alg":"ES256","kid":"ec","typ":"at+jwt"}{}`,
		"trailing text":            `{"alg":"ES256","kid":"ec","typ":"at+jwt"} x`,
		"array":                    `["ES256","ec","at+jwt"]`,
		"null":                     `null`,
		"empty object":             `{}`,
		"empty":                    ``,
		"cut":                      `{"alg":"ES256","kid":"ec","typ":"at+jwt"`,
		"invalid UTF-8":            "{\"alg\":\"ES256\",\"kid\":\"ec\",\"typ\":\"at+jwt\xff\"}",
		"byte order mark":          "\ufeff{\"alg\":\"ES256\",\"kid\":\"ec\",\"typ\":\"at+jwt\"}",
		"kid unknown":              `{"alg":"ES256","kid":"other","typ":"at+jwt"}`,
		"kid missing":              `{"alg":"ES256","typ":"at+jwt"}`,
		"kid empty":                `{"alg":"ES256","kid":"","typ":"at+jwt"}`,
		"kid with a path":          `{"alg":"ES256","kid":"../ec","typ":"at+jwt"}`,
		"kid with SQL":             `{"alg":"ES256","kid":"ec' or '1'='1","typ":"at+jwt"}`,
		"kid as a number":          `{"alg":"ES256","kid":1,"typ":"at+jwt"}`,
		"kid in capitals":          `{"alg":"ES256","kid":"EC","typ":"at+jwt"}`,
		"kid of the key of others": `{"alg":"ES256","kid":"mac","typ":"at+jwt"}`,
	} {
		wantRefused(t, k, name, forge(t, k.ec, header))
	}
}

// RFC 8725, section 3.11: a token is of the kind that the verifier wants.
func TestTypeIsExact(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, other := range []string{"JWT", "jwt", "at+JWT", "AT+jwt", "at+jwt ", "application/at+jwt", "", "logout+jwt", "at"} {
		token, err := k.ec.sign(other, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, k, "typ "+other, token)
		if other == "" {
			continue
		}
		if _, err := verify(other, token, k.find); err != nil {
			t.Errorf("typ %s where it is wanted: %v", other, err)
		}
		if _, err := verify(other, sign(t, k.ec), k.find); !errors.Is(err, ErrToken) {
			t.Errorf("an access token where %s is wanted: %v", other, err)
		}
	}
	wantRefused(t, k, "no typ", forge(t, k.ec, `{"alg":"ES256","kid":"ec"}`))
	wantRefused(t, k, "typ null", forge(t, k.ec, `{"alg":"ES256","kid":"ec","typ":null}`))
}

func TestNoBitMayFlip(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, key := range []*key{k.ec, k.mac} {
		token := sign(t, key)
		parts := strings.Split(token, ".")
		for i, part := range parts {
			raw, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				t.Fatal(err)
			}
			for bit := range len(raw) * 8 {
				flipped := slices.Clone(raw)
				flipped[bit/8] ^= 1 << (bit % 8)
				changed := slices.Clone(parts)
				changed[i] = base64.RawURLEncoding.EncodeToString(flipped)
				wantRefused(t, k, fmt.Sprintf("%s, bit %d of part %d flipped,", key.alg, bit, i), strings.Join(changed, "."))
			}
		}
		for i := range token { // and each character of the text
			wantRefused(t, k, "a changed character", token[:i]+string("AB"[min(1, strings.Count(token[i:i+1], "A"))])+token[i+1:])
			wantRefused(t, k, "a cut token", token[:i])
			wantRefused(t, k, "a token with a character less", token[:i]+token[i+1:])
		}
	}
}

func TestPartsOfTwoTokensDoNotMix(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	a := strings.Split(sign(t, k.ec), ".")
	other, err := k.ec.sign(typ, []byte(`{"sub":"admin"}`))
	if err != nil {
		t.Fatal(err)
	}
	b := strings.Split(other, ".")
	wantRefused(t, k, "another payload", a[0]+"."+b[1]+"."+a[2])
	wantRefused(t, k, "another signature", a[0]+"."+a[1]+"."+b[2])
	wantRefused(t, k, "the dot in another place", a[0]+a[1][:4]+"."+a[1][4:]+"."+a[2])
}

// One token, one text: whoever keeps a list of tokens by their text must not be
// fooled by another spelling.
func TestOnlyOneSpelling(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, key := range []*key{k.ec, k.mac} {
		token := sign(t, key)
		parts := strings.Split(token, ".")
		for name, other := range map[string]string{
			"space before": " " + token, "space after": token + " ", "tab": token + "\t", "NUL": token + "\x00",
			"padding": token + "=", "more padding": token + "==", "padded header": parts[0] + "=." + parts[1] + "." + parts[2],
			"space within": parts[0] + " ." + parts[1] + "." + parts[2], "space in the signature": token[:len(token)-4] + " " + token[len(token)-4:],
			"standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+", "dot after": token + ".", "dot before": "." + token, "four parts": token + ".e30",
			"five parts": token + ".e30.e30", "two dots": parts[0] + ".." + parts[1] + "." + parts[2], "Bearer": "Bearer " + token, "quotes": `"` + token + `"`,
			"percent": strings.ReplaceAll(token, ".", "%2E"), "capitals": strings.ToUpper(token), "signature twice": token + parts[2],
		} {
			wantRefused(t, k, key.alg+" with "+name, other)
		}
		// The bits of the last character that carry nothing must be zero.
		alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, token[len(token)-1])
		for n := range 16 {
			if n != last%16 && last/16*16+n < 64 && len(parts[2])%4 == 2 {
				wantRefused(t, k, "a loose end", token[:len(token)-1]+alphabet[last/16*16+n:][:1])
			}
		}
		for n := 1; n < 4; n++ {
			if len(parts[2])%4 == 3 {
				wantRefused(t, k, "a loose end", token[:len(token)-1]+alphabet[last^n:][:1])
			}
		}
		wantAccepted(t, k, "the only one", token)
	}
}

func TestSignatureHasItsSize(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, key := range []*key{k.ec, k.mac} {
		token := sign(t, key)
		end := strings.LastIndex(token, ".") + 1
		signature, err := base64.RawURLEncoding.DecodeString(token[end:])
		if err != nil {
			t.Fatal(err)
		}
		for n := range 130 {
			if n != len(signature) {
				wantRefused(t, k, fmt.Sprintf("%s with a signature of %d zeros", key.alg, n), token[:end]+base64.RawURLEncoding.EncodeToString(make([]byte, n)))
			}
		}
		wantRefused(t, k, "all zeros", token[:end]+base64.RawURLEncoding.EncodeToString(make([]byte, len(signature))))
		wantRefused(t, k, "no signature", token[:end])
		wantRefused(t, k, "zeros before", token[:end]+base64.RawURLEncoding.EncodeToString(append([]byte{0}, signature...)))
		wantRefused(t, k, "a zero within", token[:end]+base64.RawURLEncoding.EncodeToString(slices.Insert(slices.Clone(signature), len(signature)/2, 0)))
		wantRefused(t, k, "zeros after", token[:end]+base64.RawURLEncoding.EncodeToString(append(signature, 0)))
	}
	// RFC 7518, section 3.4: r and s, not the DER that other uses of ECDSA have.
	input := strings.Join(strings.Split(sign(t, k.ec), ".")[:2], ".")
	digest := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, k.ec.private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, k, "DER", input+"."+base64.RawURLEncoding.EncodeToString(der))
}

// Psychic signatures: r and s must lie within the group.
func TestSignatureOutOfRange(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	n := elliptic.P256().Params().N
	one, zero, most := big.NewInt(1), new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	input := strings.Join(strings.Split(sign(t, k.ec), ".")[:2], ".")
	for _, r := range []*big.Int{zero, one, n, most} {
		for _, s := range []*big.Int{zero, one, n, most} {
			signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
			wantRefused(t, k, fmt.Sprintf("r %v, s %v", r, s), input+"."+base64.RawURLEncoding.EncodeToString(signature))
		}
	}
}

func TestSizeIsLimited(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	sized := func(n int) string {
		for body := n * 3 / 4; ; body-- {
			token, err := k.mac.sign(typ, bytes.Repeat([]byte("x"), body))
			if err != nil {
				t.Fatal(err)
			}
			if len(token) <= n {
				return token
			}
		}
	}
	if token := sized(MaxTokenSize); len(token) < MaxTokenSize-3 {
		t.Errorf("a token of %d bytes", len(token))
	} else if _, err := k.verify(token); err != nil {
		t.Errorf("%d bytes: %v", len(token), err)
	}
	for _, n := range []int{MaxTokenSize + 4, 1 << 20} {
		if token := sized(n); len(token) > MaxTokenSize {
			wantRefused(t, k, fmt.Sprintf("%d bytes", len(token)), token)
		}
	}
	wantRefused(t, k, "nothing", "")
	wantRefused(t, k, "dots", strings.Repeat(".", MaxTokenSize))
}

func TestKeyOfOthersDoesNotSign(t *testing.T) {
	t.Parallel()
	k, other := newKeys(t), newKeys(t)
	wantRefused(t, k, "another ES256 key of that name", sign(t, other.ec))
	other.mac.secret = append(slices.Clone(k.mac.secret), 0)
	// HMAC pads a short key with zeros: this is the same key to it, so a
	// secret must not be told apart by its length.
	wantAccepted(t, k, "a secret with a zero more", sign(t, other.mac))
	other.mac.secret = append(slices.Clone(k.mac.secret), 1)
	wantRefused(t, k, "another secret", sign(t, other.mac))
	wantRefused(t, k, "an empty secret", sign(t, &key{kid: "mac", alg: "HS256"}))
}

// RFC 7638, section 3: the members in this order, nothing between them.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	for range 20 {
		k := newKeys(t)
		jwk, err := publicJWK(&k.ec.private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		required, err := json.Marshal(map[string]string{"kty": jwk.KeyType, "crv": jwk.Curve, "x": jwk.X, "y": jwk.Y}) // sorts by name
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(required)
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); jwk.KeyID != want {
			t.Errorf("kid %s, want %s", jwk.KeyID, want)
		}
		if jwk.KeyType != "EC" || jwk.Curve != "P-256" || jwk.Algorithm != "ES256" || jwk.Use != "sig" || len(jwk.X) != 43 || len(jwk.Y) != 43 {
			t.Errorf("%+v", jwk)
		}
	}
}

func TestOtherCurvesAreNoSigningKeys(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P384(), elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if jwk, err := publicJWK(&private.PublicKey); err == nil || jwk != (JWK{}) {
			t.Errorf("%s: %+v", curve.Params().Name, jwk)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := newKeys(f)
	token := sign(f, k.ec)
	f.Add(token)
	f.Add(sign(f, k.mac))
	f.Add(forge(f, k.ec, `{"alg":"none"}`))
	f.Add("..")
	f.Add(encode(`{"alg":"HS256","kid":"mac","typ":"at+jwt"}`) + "." + encode(payload) + ".")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := k.verify(text)
		if err == nil && string(got) != payload || err != nil && (!errors.Is(err, ErrToken) || got != nil) {
			t.Fatalf("%q: %q, %v", text, got, err)
		}
	})
}
