package kmstest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// awsError is an error of the JSON 1.1 protocol.
//
// https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
type awsError struct {
	code, message string
	status        int
}

var awsFailures = map[Failure]awsError{
	Unavailable: {"KeyUnavailableException", "The request was rejected because the specified KMS key was not available.", http.StatusInternalServerError},
	Denied:      {"AccessDeniedException", "User: arn:aws:iam::111122223333:user/fluxbase is not authorized to perform this operation", http.StatusBadRequest},
	Throttled:   {"ThrottlingException", "Rate exceeded", http.StatusBadRequest},
}

func (e awsError) write(w http.ResponseWriter) {
	body := map[string]string{"__type": e.code}
	if e.message != "" {
		body["message"] = e.message
	}
	writeAWS(w, e.status, body)
}

func writeAWS(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "9e02f41f-1c6f-11e6-af63-ab8791945da7")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$`)

// verifyAWS signs the request again, by AWS's own signer, and compares.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func verifyAWS(r *http.Request, body []byte) *awsError {
	given := r.Header.Get("Authorization")
	parts := authorization.FindStringSubmatch(given)
	if parts == nil {
		return &awsError{"MissingAuthenticationTokenException", "Missing Authentication Token", http.StatusBadRequest}
	}
	signedAt, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	signed := strings.Split(parts[5], ";")
	switch {
	case err != nil || time.Since(signedAt).Abs() > 5*time.Minute || signedAt.Format("20060102") != parts[2]:
		return &awsError{"InvalidSignatureException", "Signature expired", http.StatusBadRequest}
	case parts[1] != AWSAccessKeyID:
		return &awsError{"UnrecognizedClientException", "The security token included in the request is invalid.", http.StatusBadRequest}
	case parts[3] != AWSRegion || parts[4] != "kms":
		return &awsError{"InvalidSignatureException", "Credential should be scoped to a valid region.", http.StatusBadRequest}
	case !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") || !slices.Contains(signed, "x-amz-target"):
		return &awsError{"InvalidSignatureException", "a header that must be signed is not", http.StatusBadRequest}
	}
	again := r.Clone(r.Context())
	again.URL.Scheme, again.URL.Host = "http", r.Host
	again.ContentLength = 0
	again.Header = http.Header{}
	for _, name := range signed {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	digest := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: AWSAccessKeyID, SecretAccessKey: AWSSecretAccessKey}
	err = v4.NewSigner().SignHTTP(r.Context(), credentials, again, hex.EncodeToString(digest[:]), "kms", AWSRegion, signedAt)
	if err != nil || again.Header.Get("Authorization") != given {
		return &awsError{
			"InvalidSignatureException", "The request signature we calculated does not match the signature you provided." +
				" Check your AWS Secret Access Key and signing method.\n\nThe Canonical String for this request should have been\n'" + string(body) + "'",
			http.StatusForbidden,
		}
	}
	return nil
}
