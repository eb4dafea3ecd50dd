package leaktest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Kinds of secrets.
const (
	Password      = "password"
	AccessToken   = "access token"
	RefreshToken  = "refresh token"
	Token         = "token" // of a link, of a second factor
	Code          = "code"
	RecoveryCode  = "recovery code"
	Flow          = "flow" // what a page waits with
	Seed          = "seed of an authenticator"
	Key           = "key" // of an application or a service
	WebhookSecret = "webhook secret"
	Sealed        = "sealed value"
	DatabaseURL   = "database URL"
	Address       = "address"
	Credential    = "credential" // whatever came as one
)

// members are the names in JSON under which there are secrets.
var members = map[string]string{
	"password": Password, "new_password": Password, "current_password": Password,
	"access_token": AccessToken, "refresh_token": RefreshToken, "token": Token, "mfa_token": Token, "link_token": Token,
	"code": Code, "recovery_codes": RecoveryCode, "codes": RecoveryCode, "flow_id": Flow,
	"secret": Seed, "key": Key, "client_key": Key, "service_key": Key, "database_url": DatabaseURL,
	"email": Address, "new_email": Address, "to": Address, "recipient": Address,
}

// looks are secrets that are known by their looks, wherever they are.
var looks = []struct {
	pattern *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`[?#&;]token=([\w-]{16,})`), Token},
	{regexp.MustCompile(`(eyJ[\w-]{8,}\.[\w-]+\.[\w-]+)`), AccessToken},
	{regexp.MustCompile(`(fb_(?:client|api|service)_[\w-]{8,})`), Key},
	{regexp.MustCompile(`(whsec_[A-Za-z0-9+/=]{16,})`), WebhookSecret},
	{regexp.MustCompile(`otpauth://[^"\s]*?[?&]secret=([A-Z2-7]{16,})`), Seed},
	{regexp.MustCompile(`\b(\d{6})\b`), Code},
}

// Traffic puts down the secrets in a request or an answer: its path, which may be
// empty, its fields and its body.
func Traffic(path string, fields http.Header, body []byte) {
	if opened() == nil {
		return
	}
	for _, name := range []string{"Authorization", "Apikey", "X-Service-Key"} {
		for _, value := range fields.Values(name) {
			Secret(Credential, strings.TrimPrefix(value, "Bearer "))
		}
	}
	look(path, len(looks)-1)
	var v any
	if json.Unmarshal(body, &v) == nil {
		walk("", v, strings.Contains(path, "/secrets"))
		return
	}
	look(string(body), len(looks)-1)
}

// Mail puts down the secrets in a message: its links, and its code.
func Mail(recipient, text string) {
	if opened() != nil {
		Secret(Address, recipient)
		look(text, len(looks))
	}
}

func look(text string, first int) {
	for _, l := range looks[:first] {
		for _, m := range l.pattern.FindAllStringSubmatch(text, -1) {
			Secret(l.kind, m[1])
		}
	}
}

// walk goes through a JSON value that is the member of a name. sealed says that
// members named value are kept sealed.
func walk(name string, v any, sealed bool) {
	switch v := v.(type) {
	case map[string]any:
		_, mail := v["subject"]
		to, _ := v["to"].(string)
		for member, value := range v {
			text, isText := value.(string)
			if mail && isText && to != "" && (member == "text" || member == "html") {
				Mail(to, text)
				continue
			}
			walk(member, value, sealed)
		}
	case []any:
		for _, one := range v {
			walk(name, one, sealed)
		}
	case string:
		if kind := members[strings.ToLower(name)]; kind != "" {
			Secret(kind, v)
		} else if sealed && name == "value" {
			Secret(Sealed, v)
		}
		look(v, len(looks)-1)
	}
}

var identifier = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// tooCommon says that a text may be in a log by chance, or by right: a secret is
// none that is a word, and ids are logged.
func tooCommon(kind, text string) bool {
	switch {
	case kind == Code && digits.MatchString(text):
		return false
	case kind == Address:
		return len(text) < minimum || !strings.Contains(text, "@")
	case kind != Password && word.MatchString(text): // of an error: "code": "invalid_credentials"
		return true
	default:
		return len(text) < minimum+2 || identifier.MatchString(text) || monotonous(text)
	}
}

// monotonous says that a text is long for its own sake.
func monotonous(text string) bool {
	var seen []rune
	for _, r := range text {
		if !slices.Contains(seen, r) {
			seen = append(seen, r)
		}
	}
	return len(seen) < 4
}

var word = regexp.MustCompile(`^[a-z_.-]+$`)

var digits = regexp.MustCompile(`^\d{6}$`)
