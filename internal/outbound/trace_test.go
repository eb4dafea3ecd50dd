package outbound

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestSpansOfRequests name the host and the outcome. Neither the URL is part of them
// nor is the other side told of the trace.
func TestSpansOfRequests(t *testing.T) {
	t.Parallel()
	var told []string
	port := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Header.Get("Traceparent"))
		if r.URL.Path == "/hunter2/gone" {
			w.WriteHeader(http.StatusGone)
		}
	})
	spans := tracetest.NewSpanRecorder()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "root")
	c := New(Options{AllowPrivate: true})
	for _, target := range []string{"http://127.0.0.1:" + port + "/hunter2?x=hunter2", "http://127.0.0.1:" + port + "/hunter2/gone", "http://127.0.0.1:1/hunter2"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader("hunter2"))
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := c.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	root.End()
	if _, _, err := get(c, "http://127.0.0.1:"+port+"/"); err != nil { // outside of the trace
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 4 || len(spans.Started()) != 4 {
		t.Fatalf("%d spans", len(ended))
	}
	for i, want := range []struct {
		status string
		code   codes.Code
	}{{"200", codes.Unset}, {"410", codes.Error}, {"", codes.Error}} {
		a := map[string]string{}
		for _, kv := range ended[i].Attributes() {
			a[string(kv.Key)] = kv.Value.String()
			if strings.Contains(kv.Value.String(), "hunter2") {
				t.Errorf("%s: %s", kv.Key, kv.Value.String())
			}
		}
		if ended[i].Name() != "POST" || a["server.address"] != "127.0.0.1" || a["http.response.status_code"] != want.status || ended[i].Status().Code != want.code ||
			ended[i].Status().Description != "" || len(ended[i].Events()) > 0 {
			t.Errorf("%v %v, want %v", a, ended[i].Status(), want)
		}
	}
	if strings.Join(told, "") != "" {
		t.Errorf("told of the trace: %q", told)
	}
}
