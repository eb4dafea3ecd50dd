package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi"
	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

// mediasOfBodies are the types that rows can come as.
var mediasOfBodies = map[string]payload.Media{
	"application/json": payload.JSON, "text/csv": payload.CSV, "application/x-www-form-urlencoded": payload.Form,
}

// rowsOf returns the body of a write.
func rowsOf(r *http.Request) (dataapi.Body, error) {
	name, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if strings.HasSuffix(name, "+json") {
		name = "application/json"
	}
	media, ok := mediasOfBodies[name]
	charset := params["charset"]
	if err != nil || !ok || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return dataapi.Body{}, dataapi.Fault(fault.UnsupportedMedia, "PGRST107",
			"Rows are sent as application/json, text/csv or application/x-www-form-urlencoded, in UTF-8")
	}
	return dataapi.Body{Media: media, Text: &bodyReader{r.Body}}, nil
}

// bodyReader makes faults of what may happen to a body on its way.
type bodyReader struct{ body io.Reader }

// Read implements io.Reader.
func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err //nolint:wrapcheck // the end of a body is io.EOF itself
	}
	if f := web.BodyFault(err); fault.KindOf(f) != fault.Invalid {
		return n, f //nolint:wrapcheck // says what it is about
	}
	return n, dataapi.Fault(fault.Invalid, "PGRST102", "The body ended too early.").Because(err)
}
