package config

import (
	"cmp"
	"maps"
	"os"
	"reflect"
	"sync"

	"github.com/fluxbase/fluxbase/internal/config/rule"
	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// FileName is the file that is read from the working directory when there is
// one and no other is named.
const FileName = "fluxbase.yaml"

const envPrefix = "FLUXBASE_"

// The words of package setting that are part of a configuration.
type (
	// Sources is where Load reads from.
	Sources = setting.Sources
	// Problem is one thing that is wrong with the configuration.
	Problem = setting.Problem
	// Error is every problem found. It is the only type of error that Load returns.
	Error = setting.Error
	// Secret is text that is not shown.
	Secret = setting.Secret
	// Size is a number of bytes.
	Size = setting.Size
)

// checks are the rules that a check tag can name, for values on their own; rules
// of an environment are in Validate.
func checks() map[string]func(value any) error {
	all := maps.Clone(rule.Rules)
	all["secret_key"] = checkSecretKey
	return all
}

// keys returns the schema of Config, made once.
var keys = sync.OnceValue(func() *setting.Schema {
	return setting.New(reflect.TypeFor[Config](), setting.Options{
		Prefix:   envPrefix,
		Foreign:  []string{"FLUXBASE_URL", "FLUXBASE_SERVICE_KEY"}, // of fluxbase-cli
		Rules:    checks(),
		Shown:    map[string]func(string) string{"password": rule.RedactURL, "userinfo": rule.RedactRedisURL, "url": rule.OriginOf, "key": shownMaterial},
		Forms:    map[reflect.Type]setting.Form{reflect.TypeFor[[]EncryptionKey](): keyForm},
		Variable: keyVariable,
	})
})

// Process returns the sources of the running process: its environment, and file
// if that is not empty (it must exist then), else FileName if it exists. It is
// the only function of the package that looks at the process.
func Process(file string) Sources {
	return Sources{File: cmp.Or(file, FileName), FileRequired: file != "", Environ: os.Environ()}
}

// Load reads all sources and returns the configuration or an *Error with every
// problem in them. It checks the form and the limits of each value, and, when
// all are sound, whether they go together; what is unfit for the environment is
// for Validate.
func Load(src Sources) (*Config, error) {
	r := keys().Read(src)
	keyConflicts(r)
	c := &Config{}
	if len(r.Problems) == 0 {
		c.sources = r.Fill(c)
		c.settleKeys(r)
		c.together(r)
	}
	if len(r.Problems) > 0 {
		return nil, &Error{Problems: r.Problems}
	}
	return c, nil
}
