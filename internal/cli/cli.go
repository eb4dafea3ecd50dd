// Package cli is the command line of the server: fluxbase serve, dev, migrate,
// quickstart, config, doctor and mail.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/config/setting"
	"github.com/fluxbase/fluxbase/internal/dev"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Main runs a command line of fluxbase; see Execute.
func Main(args []string, stdout, stderr io.Writer) int {
	return Execute(Root(), args, stdout, stderr)
}

// Execute runs a command line and returns the exit status: 0, or 1 after saying
// why on stderr. Interrupt and SIGTERM end a command in good order.
func Execute(root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	err := root.ExecuteContext(ctx)
	if status, ok := errors.AsType[Status](err); ok {
		return int(status)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", root.Name(), sentence(err))
		return 1
	}
	return 0
}

// sentence is an error as it is printed. That of a database that does not let
// anybody in is what to do about it, and not what the driver has tried.
func sentence(err error) string {
	if why, todo := postgres.Unreachable(err); why != "" {
		return why + " " + todo
	}
	return err.Error()
}

// NoArguments is for commands that take flags only. It does not repeat what is
// too much.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := cmd.CommandPath() + " takes no arguments"
	var flags []string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags = append(flags, "--"+f.Name)
		}
	})
	if len(flags) > 0 {
		text += "; its flags are " + strings.Join(flags, ", ")
	}
	return errors.New(text)
}

// Arguments is for commands that take from least to most arguments, as their Use
// says. It does not repeat what is too much.
func Arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("the command is: %s %s", cmd.Parent().CommandPath(), cmd.Use)
		}
		return nil
	}
}

// Status ends a command that has said what there is to say with an exit status
// of its own.
type Status int

// Error implements error.
func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Root returns the command fluxbase with its subcommands.
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:           "fluxbase",
		Short:         "Sign-in, sessions, and data that only its owner can see, beside one PostgreSQL",
		Version:       server.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	root.AddCommand(devCommand(), serveCommand(), migrateCommand(), quickstartCommand(), configCommand(), doctorCommand(), mailCommand())
	return root
}

// flagError says of a flag that is none which there are, and which may have been
// meant; and of a duration how one is written.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok && errors.Is(err, setting.ErrDuration) {
		return fmt.Errorf("--%s %w", invalid.GetFlag().Name, setting.ErrDuration)
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	meant := map[string]string{"port": "address", "host": "address", "listen": "address", "addr": "address"}[unknown.GetSpecifiedName()]
	if f := cmd.Flags().Lookup(meant); f != nil {
		return fmt.Errorf("%w; there is --%s: %s", err, f.Name, f.Usage)
	}
	return fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())
}

// Group makes a command one that only holds others: alone it explains itself,
// and of what it does not have it lists what it has, without repeating it.
func Group(cmd *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(subcommands...)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		return fmt.Errorf("there is no such command; %s has: %s", cmd.CommandPath(), strings.Join(names, ", "))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// load reads the configuration for a command. flags maps flags of the command
// to the keys that they set.
func load(cmd *cobra.Command, environment config.Environment, flags map[string]string) (*config.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, fmt.Errorf("reading flags: %w", err)
	}
	sources := config.Process(file)
	sources.Defaults = map[string]string{"environment": string(environment)}
	if cmd.Name() == "dev" {
		sources.Defaults["ratelimit.enabled"] = "false" // one person works here, as fast as their tests do
	}
	sources.Flags = map[string]string{}
	for name, key := range flags {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			sources.Flags[key] = f.Value.String()
		}
	}
	c, err := config.Load(sources)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Database returns the configuration of a command with the flags config and
// data-dir, and the URL of the database that it works on as its owner: the one
// configured, or that of the development server that runs on the data directory.
func Database(cmd *cobra.Command) (*config.Config, string, error) {
	c, err := load(cmd, config.Development, map[string]string{"data-dir": "database.data_dir"})
	if err != nil {
		return nil, "", err
	}
	if c.Database.URL != "" {
		return c, c.Database.URL.Reveal(), nil
	}
	running, err := dev.Running(c.Database.DataDir)
	if errors.Is(err, dev.ErrNotRunning) {
		return nil, "", fmt.Errorf("there is no database: set database.url, or start a development server with: fluxbase dev")
	}
	if err != nil {
		return nil, "", err
	}
	if c.PublicURL == "" {
		c.PublicURL = running.APIURL
	}
	return c, running.DatabaseURL, dev.FillSecrets(c)
}

// validated refuses a configuration that its environment does not allow.
func validated(c *config.Config) error {
	if problems := append(c.Validate(), dev.Made(c)...); len(problems) > 0 {
		return &config.Error{Problems: problems}
	}
	return nil
}

// warn logs what a configuration should not stay with.
func warn(ctx context.Context, c *config.Config, log *slog.Logger) {
	for _, p := range c.Warnings() {
		log.WarnContext(ctx, "a setting should not stay as it is", slog.String("problem", p.String()))
	}
}

// Logger makes the logger that a configuration asks for: text on a terminal,
// JSON elsewhere.
func Logger(c *config.Config, w io.Writer) *slog.Logger {
	format := c.Log.Format
	if format == "auto" {
		format = "json"
		if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
			format = "text"
		}
	}
	return telemetry.NewLogger(w, c.Log.Level, format)
}

// tune sets the Go runtime up for a server: threads for the rest of it while
// every core hashes passwords, and a garbage collector that waits for a heap
// worth collecting, since a small one is collected several hundred times a
// second. GOMAXPROCS, GOGC and GOMEMLIMIT in the environment win.
func tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	}
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(800)
		debug.SetMemoryLimit(512 << 20) // above it the collector works as hard as it must
	}
}

// interrupted says that an error is only the end that somebody asked for.
func interrupted(err error) bool { return errors.Is(err, context.Canceled) }

// Printable keeps what somebody wrote from steering a terminal, or turning the
// direction of what stands beside it.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
