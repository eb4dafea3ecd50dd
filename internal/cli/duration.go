package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// DurationFlag adds a flag that is written as durations are in the configuration:
// 90s, 720h, 30d.
func DurationFlag(cmd *cobra.Command, d *time.Duration, name string, otherwise time.Duration, usage string) {
	*d = otherwise
	cmd.Flags().Var((*duration)(d), name, usage)
}

// duration implements pflag.Value.
type duration time.Duration

func (d *duration) Set(text string) error {
	parsed, err := setting.ParseDuration(text)
	*d = duration(parsed)
	return err
}

// String is "0" for nothing, which pflag does not show as a default.
func (d *duration) String() string {
	if *d == 0 {
		return "0"
	}
	return setting.FormatDuration(time.Duration(*d))
}

func (*duration) Type() string { return "duration" }
