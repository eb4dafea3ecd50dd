package azurekeyvault

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

var errNotAnswered = errors.New("the answer is not one of Key Vault: is the endpoint right?")

// isDamaged tells what does not open: all else of the request is right.
func isDamaged(err error) bool {
	said, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && said.StatusCode == http.StatusBadRequest && said.ErrorCode == "BadParameter"
}

// describe keeps what Azure says for itself; the texts of its SDK hold whole
// answers, on many lines. Those about tokens hold only refusals.
func describe(err error) error {
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return fmt.Errorf("obtain a token: %w", remote.Brief(err))
	}
	if said, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return refusal(said)
	}
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return remote.Brief(sent)
	}
	return remote.Brief(err)
}

func refusal(said *azcore.ResponseError) error {
	var body struct {
		Error struct {
			Message string `json:"message"`
			Inner   struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if said.RawResponse != nil {
		if data, err := runtime.Payload(said.RawResponse); err == nil {
			_ = json.Unmarshal(data, &body) // a proxy's page has no message
		}
	}
	code := said.ErrorCode
	if code == "" {
		return fmt.Errorf("it answered %d", said.StatusCode)
	}
	if inner := remote.Reason(body.Error.Inner.Code); inner != "" {
		code += " (" + inner + ")"
	}
	return fmt.Errorf("%s: %s", code, remote.Reason(body.Error.Message))
}
