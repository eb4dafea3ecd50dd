package dataapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

// options says which methods a table takes by its nature. Privileges and
// policies are not asked.
func (s *Service) options(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	table, _, err := s.prepare(r.Context(), Request{
		Terms: Terms{Principal: c.Principal}, Schema: r.Header.Get("Accept-Profile"), Table: c.Path("table"),
	})
	if err != nil {
		return err
	}
	allow := []string{"OPTIONS", "GET", "HEAD"}
	if table.Insertable {
		allow = append(allow, "POST")
		if table.Updatable && len(table.PrimaryKey) > 0 {
			allow = append(allow, "PUT")
		}
	}
	if table.Updatable {
		allow = append(allow, "PATCH")
	}
	if table.Deletable {
		allow = append(allow, "DELETE")
	}
	w.Header().Set("Allow", strings.Join(allow, ","))
	w.WriteHeader(http.StatusOK)
	return nil
}

// callOptions says which methods a function takes: GET and HEAD where it has
// promised to change nothing.
func (s *Service) callOptions(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	schema, err := s.schema(r.Header.Get("Accept-Profile"))
	if err != nil {
		return err
	}
	named, err := s.Catalog.Functions(r.Context(), schema, c.Path("function"))
	if err != nil {
		return err
	}
	if named == nil {
		return s.noFunction(Call{Schema: schema, Function: c.Path("function")}, nil, plan.Arguments{})
	}
	allow := "OPTIONS,POST"
	if slices.ContainsFunc(named, func(f *catalog.Function) bool { return f.Volatility != catalog.Volatile }) {
		allow = "OPTIONS,GET,HEAD,POST"
	}
	w.Header().Set("Allow", allow)
	w.WriteHeader(http.StatusOK)
	return nil
}

func refuseMethod(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
	w.Header().Set("Allow", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")
	return dataFault(fault.MethodNotAllowed, "PGRST117", "Unsupported HTTP method")
}
