package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// ReadKey reads one field of a secret of a KV engine. The path is that of the
// vault kv get command, such as secret/fluxbase/keys/v1, whichever version the
// engine has. Without a field it takes the one named key, else value, else the
// only one. Its token needs read on the secret (in version 2, on MOUNT/data/...).
func (c *Client) ReadKey(ctx context.Context, path, field string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	path = strings.Trim(path, "/")
	fields, err := c.read(ctx, path)
	if err != nil {
		return "", fmt.Errorf("vault: read secret %s: %w", path, err)
	}
	value, err := pick(fields, field)
	if err != nil {
		return "", fmt.Errorf("vault: read secret %s: %w", path, err)
	}
	return value, nil
}

// place is where a secret is in the API.
type place struct {
	path      string
	versioned bool // the engine is of version 2
}

func (c *Client) read(ctx context.Context, path string) (map[string]any, error) {
	escaped, err := escape(path)
	if err != nil {
		return nil, err
	}
	places, err := c.locate(ctx, escaped)
	if err != nil {
		return nil, err
	}
	var refused error
	for _, p := range places {
		got, err := c.send(ctx, http.MethodGet, p.path, nil)
		if err != nil {
			return nil, err
		}
		fields, err := p.fields(got)
		if err == nil || len(places) == 1 || got.status != http.StatusNotFound && got.status != http.StatusForbidden {
			return fields, err
		}
		if refused == nil || errors.Is(refused, errNoSecret) {
			refused = err
		}
	}
	return nil, refused
}

// locate says where to look. Vault says which engine a path belongs to, to
// whoever may read something in it; elsewhere the first segment is taken for the
// mount, and the version is tried.
func (c *Client) locate(ctx context.Context, escaped string) ([]place, error) {
	got, err := c.send(ctx, http.MethodGet, "sys/internal/ui/mounts/"+escaped, nil)
	if err != nil {
		return nil, err
	}
	var mounted struct {
		Data struct {
			Path    string            `json:"path"`
			Options map[string]string `json:"options"`
		} `json:"data"`
	}
	switch {
	case got.status == http.StatusForbidden || got.status == http.StatusNotFound:
		mount, rest, _ := strings.Cut(escaped, "/")
		return []place{{mount + "/data/" + rest, true}, {escaped, false}}, nil
	case got.status != http.StatusOK:
		return nil, got.refusal("read on " + escaped)
	case json.Unmarshal(got.body, &mounted) != nil || mounted.Data.Path == "":
		return nil, errNotAnswered
	}
	mount, err := escape(strings.Trim(mounted.Data.Path, "/"))
	if err != nil {
		return nil, errNotAnswered
	}
	rest, ok := strings.CutPrefix(escaped, mount+"/")
	switch {
	case !ok:
		return nil, errors.New("it is the path of an engine and not of a secret")
	case mounted.Data.Options["version"] == "2":
		return []place{{mount + "/data/" + rest, true}}, nil
	default:
		return []place{{escaped, false}}, nil
	}
}

var errNoSecret = errors.New("there is no such secret")

// fields are those of an answer.
func (p place) fields(got answer) (map[string]any, error) {
	var v1 struct {
		Data map[string]any `json:"data"`
	}
	var v2 struct {
		Data struct {
			Data     map[string]any `json:"data"`
			Metadata struct {
				Destroyed bool   `json:"destroyed"`
				Deleted   string `json:"deletion_time"`
			} `json:"metadata"`
		} `json:"data"`
	}
	var into any = &v1
	if p.versioned {
		into = &v2
	}
	if got.status == http.StatusOK || got.status == http.StatusNotFound {
		if json.Unmarshal(got.body, into) != nil {
			return nil, errNotAnswered // what it says may hold the secret
		}
	}
	switch was := v2.Data.Metadata; {
	case got.status == http.StatusNotFound && was.Destroyed:
		return nil, errors.New("its latest version was destroyed: write it again")
	case got.status == http.StatusNotFound && was.Deleted != "":
		return nil, errors.New("its latest version was deleted: bring it back with vault kv undelete, or write it again")
	case got.status == http.StatusNotFound:
		return nil, errNoSecret
	case got.status != http.StatusOK:
		return nil, got.refusal("read on " + p.path)
	case p.versioned:
		return v2.Data.Data, nil
	default:
		return v1.Data, nil
	}
}

// pick never names a value.
func pick(fields map[string]any, field string) (string, error) {
	names := []string{field}
	if field == "" {
		names = []string{"key", "value"}
		if len(fields) == 1 {
			for only := range fields {
				names = append(names, only)
			}
		}
	}
	for _, name := range names {
		value, ok := fields[name]
		text, isText := value.(string)
		switch {
		case !ok:
			continue
		case !isText || text == "":
			return "", fmt.Errorf("its field %s is empty or no text", name)
		default:
			return text, nil
		}
	}
	if field == "" {
		return "", errors.New("none of its fields is named key or value: say which one to take")
	}
	return "", fmt.Errorf("it has no field %s", field)
}
