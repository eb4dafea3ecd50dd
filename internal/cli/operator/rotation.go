package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

func reEncryptCommand() *cobra.Command {
	var in rotation.ReEncryptInput
	cmd := &cobra.Command{
		Use:   "re-encrypt",
		Short: "Seal what is under one key version under the active one",
		Long: "Seals everything that is under one key version under another, which has to be the active one. Everything can be read and " +
			"written meanwhile. Interrupted at any point, the same command goes on where it was.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(versionFlag(cmd, "from-version", in.FromVersion), versionFlag(cmd, "to-version", in.ToVersion)); err != nil {
				return err
			}
			title := fmt.Sprintf("Re-encrypting secrets from version %d to %d...", in.FromVersion, in.ToVersion)
			return runOver(cmd, "/keys/re-encrypt", in, title)
		},
	}
	cmd.Flags().Uint32Var(&in.FromVersion, "from-version", 0, "the key version to empty")
	cmd.Flags().Uint32Var(&in.ToVersion, "to-version", 0, "the active key version")
	paceFlags(cmd, &in.BatchSize, &in.Concurrency)
	return cmd
}

func paceFlags(cmd *cobra.Command, batchSize, concurrency *int) {
	cmd.Flags().IntVar(batchSize, "batch-size", rotation.DefaultPace.BatchSize, "values in one statement, 1 to 10000")
	cmd.Flags().IntVar(concurrency, "concurrency", rotation.DefaultPace.Concurrency, "statements at once, 1 to 64")
}

func rollbackCommand() *cobra.Command {
	var in rotation.RollbackInput
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Make an earlier key version active at once, and bring everything back to it",
		Long: "Makes an earlier key version active on every instance at once, keeps every later one from ever becoming active again, and seals " +
			"what is under them under the earlier one. Interrupted at any point, the same command goes on where it was.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := versionFlag(cmd, "to-version", in.ToVersion)
			if strings.TrimSpace(in.Reason) == "" {
				err = errors.Join(err, errors.New("why? --reason TEXT is missing"))
			}
			if err != nil {
				return err
			}
			if err := runOver(cmd, "/keys/rollback", in, fmt.Sprintf("Rolling back to key version %d...", in.ToVersion)); err != nil {
				return err
			}
			if !wantsJSON(cmd) {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "Version %d is active. In the configuration, set security.encryption.active_key_version: %d\n", in.ToVersion, in.ToVersion)
			}
			return nil
		},
	}
	cmd.Flags().Uint32Var(&in.ToVersion, "to-version", 0, "the key version to go back to")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why; it is written into the audit log")
	paceFlags(cmd, &in.BatchSize, &in.Concurrency)
	return cmd
}

func rotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key, make it active, and seal everything under it",
		Long: "Makes a new key, wrapped by the provider of the configuration, makes it active when every running instance has it, and seals " +
			"everything under it, as the schedule of key_rotation does.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runOver(cmd, "/keys/rotate", nil, "Rotating to a new key...")
		},
	}
}

// runOver starts a run, watches it to its end and says what became of it.
func runOver(cmd *cobra.Command, path string, body any, title string) error {
	return atDesk(cmd, true, func(d *desk) error {
		began := time.Now()
		var run rotation.Run
		if err := d.send(cmd.Context(), http.MethodPost, path, body, &run); err != nil {
			return err
		}
		p := newProgress(cmd, title)
		run, err := d.do(cmd.Context(), run, p.show)
		p.end()
		if cmd.Context().Err() != nil {
			return fmt.Errorf("interrupted after %d of %d secrets; the same command goes on from there", run.Scanned, run.Total)
		}
		if wantsJSON(cmd) {
			if err := printJSON(cmd.OutOrStdout(), run); err != nil {
				return err
			}
		} else if run.Over() {
			summarize(cmd, run, time.Since(began))
		}
		switch {
		case run.State == rotation.Failed && run.Error != nil:
			return errors.New(*run.Error)
		case err != nil && run.Kind == rotation.Rotation:
			return fmt.Errorf("%w; a running server goes on with it by itself, and so does the same command", err)
		case err != nil:
			return fmt.Errorf("%w; the same command goes on from there", err)
		}
		return nil
	})
}

// summarize prints what was counted, with a mark if that is all there was to do.
func summarize(cmd *cobra.Command, r rotation.Run, took time.Duration) {
	w := cmd.OutOrStdout()
	mark := "✓"
	if r.State != rotation.Succeeded {
		mark = " "
	}
	_, _ = fmt.Fprintf(w, "%s Scanned %s\n", mark, secrets(r.Scanned))
	_, _ = fmt.Fprintf(w, "%s Re-encrypted %s (already using new key: %d)\n", mark, secrets(r.ReEncrypted), r.AlreadyThere)
	_, _ = fmt.Fprintf(w, "%s Updated %s in database\n", mark, secrets(r.ReEncrypted))
	if r.Failed > 0 {
		_, _ = fmt.Fprintf(w, "✗ Left %s that cannot be opened\n", secrets(r.Failed))
	}
	if r.State == rotation.Succeeded {
		_, _ = fmt.Fprintf(w, "✓ Completed in %s\n", inSeconds(took))
	}
}

// versionFlag refuses a key version that is not given, or none.
func versionFlag(cmd *cobra.Command, name string, version uint32) error {
	switch {
	case !cmd.Flags().Changed(name):
		return fmt.Errorf("which key? --%s N is missing", name)
	case version == 0:
		return fmt.Errorf("--%s 0: key versions are numbers from 1", name)
	}
	return nil
}

func secrets(n int64) string {
	if n == 1 {
		return "1 secret"
	}
	return strconv.FormatInt(n, 10) + " secrets"
}

// inSeconds rounds a duration to what a person wants to know.
func inSeconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func auditCommand() *cobra.Command {
	var version uint32
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Count what is sealed under a key version, or list the key versions",
		Long: "Counts what is sealed under a key version, and where. The exit status is 0 if there is nothing, 2 if there is something, 1 if it " +
			"could not be told. Without --key-version it lists the key versions.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("key-version") {
				return listKeyVersions(cmd)
			}
			return auditVersion(cmd, version)
		},
	}
	cmd.Flags().Uint32Var(&version, "key-version", 0, "the key version to look for")
	return cmd
}

// somethingFound is the exit status of an audit that has found something.
const somethingFound cli.Status = 2

func auditVersion(cmd *cobra.Command, version uint32) error {
	var a rotation.Audit
	err := withDesk(cmd, func(d *desk) error {
		return d.call(cmd.Context(), http.MethodGet, fmt.Sprintf("/keys/%d", version), &a)
	})
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	switch {
	case wantsJSON(cmd):
		err = printJSON(w, a)
	case a.Total == 0:
		_, err = fmt.Fprintf(w, "No secrets found encrypted with key version %d\n", version)
	default:
		rows := make([]string, 0, len(a.Places))
		for _, p := range a.Places {
			rows = append(rows, strings.Join([]string{p.Place, p.Purpose, strconv.FormatInt(p.Count, 10)}, "\t"))
		}
		err = printTable(w, "TABLE\tPURPOSE\tCOUNT", rows)
		_, _ = fmt.Fprintf(w, "%s found encrypted with key version %d\n", secrets(a.Total), version)
	}
	if err != nil || a.Total == 0 {
		return err
	}
	return somethingFound
}

func listKeyVersions(cmd *cobra.Command) error {
	return withDesk(cmd, func(d *desk) error {
		var keys rotation.Keys
		if err := d.call(cmd.Context(), http.MethodGet, "/keys", &keys); err != nil {
			return err
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), keys)
		}
		rows := make([]string, 0, len(keys.Items))
		for _, k := range keys.Items {
			rows = append(rows, strings.Join([]string{
				strconv.Itoa(int(k.Version)), string(k.State), origin(k), k.CreatedAt.Format(time.RFC3339), text(k.Reason),
			}, "\t"))
		}
		return printTable(cmd.OutOrStdout(), "VERSION\tSTATE\tKEY\tKNOWN SINCE\tREASON", rows)
	})
}

// origin says where the material of a key is.
func origin(k encryption.Key) string {
	if k.Provider == nil {
		return "in the configuration"
	}
	if *k.Provider == encryption.Local {
		return "generated, wrapped under version " + *k.WrappingKey
	}
	return "generated, wrapped by " + *k.Provider + " under " + cli.Printable(*k.WrappingKey)
}

func notificationSecretCommand() *cobra.Command {
	return &cobra.Command{
		Use: "notification-secret", Short: "Print what notifications of key rotation are signed with; every read is audited", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDesk(cmd, func(d *desk) error {
				var n rotation.NotificationSecret
				if err := d.call(cmd.Context(), http.MethodGet, "/keys/notification-secret", &n); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), n)
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), n.Secret)
				return err
			})
		},
	}
}

func runsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "runs", Short: "List the latest re-encryptions, rollbacks and rotations", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDesk(cmd, func(d *desk) error {
				var runs rotation.Runs
				if err := d.call(cmd.Context(), http.MethodGet, "/keys/runs", &runs); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), runs)
				}
				rows := make([]string, 0, len(runs.Items))
				for _, r := range runs.Items {
					rows = append(rows, strings.Join([]string{
						r.CreatedAt.Format(time.RFC3339), string(r.Kind), string(r.State), version(r.FromVersion), version(r.ToVersion),
						strconv.FormatInt(r.ReEncrypted, 10), strconv.FormatInt(r.Failed, 10), text(r.Error),
					}, "\t"))
				}
				return printTable(cmd.OutOrStdout(), "BEGUN\tKIND\tSTATE\tFROM\tTO\tRE-ENCRYPTED\tFAILED\tERROR", rows)
			})
		},
	}
}

func version(v *uint32) string {
	if v == nil {
		return "-"
	}
	return strconv.Itoa(int(*v))
}
