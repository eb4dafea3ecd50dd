package rest

import (
	"net/http"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

func (s *API) options(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	allow, err := s.Methods(r.Context(), dataapi.Request{
		Terms: dataapi.Terms{Principal: c.Principal}, Schema: r.Header.Get("Accept-Profile"), Table: c.Path("table"),
	})
	return allowing(w, allow, err)
}

func (s *API) callOptions(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	allow, err := s.CallMethods(r.Context(), dataapi.Call{Schema: r.Header.Get("Accept-Profile"), Function: c.Path("function")})
	return allowing(w, allow, err)
}

func allowing(w http.ResponseWriter, methods []string, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Allow", strings.Join(methods, ","))
	w.WriteHeader(http.StatusOK)
	return nil
}

func refuseMethod(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
	w.Header().Set("Allow", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")
	return dataapi.Fault(fault.MethodNotAllowed, "PGRST117", "Unsupported HTTP method")
}
