package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// observe keeps the latest run of each kind for the metrics.
func (s *Service) observe(ctx context.Context) error {
	latest, err := selectLatest(ctx, s.DB.Single())
	if err != nil {
		return err
	}
	s.latest.Store(&latest)
	return nil
}

var (
	activeVersion = describe("active_key_version", "The key version that values are sealed under.")
	lastFailed    = describe("last_run_failed", "1 if the latest run of the kind has failed, 0 if not.", "kind")
	lastFinished  = describe("last_run_finished_timestamp_seconds", "When the latest run of the kind ended; 0 while it is under way.", "kind")
	runValues     = describe("run_values", "Values of the latest run of the kind, by what became of them.", "kind", "result")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fluxbase_encryption_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{activeVersion, lastFailed, lastFinished, runValues} {
		ch <- d
	}
}

// Collect implements prometheus.Collector from what this instance saw at its
// latest turn; it asks nothing of the database.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(activeVersion, float64(s.Keys.ActiveVersion()))
	latest := s.latest.Load()
	if latest == nil {
		return
	}
	for _, r := range *latest {
		kind, failed, finished := string(r.Kind), 0.0, 0.0
		if r.State == Failed {
			failed = 1
		}
		if r.FinishedAt != nil {
			finished = float64(r.FinishedAt.Unix())
		}
		gauge(lastFailed, failed, kind)
		gauge(lastFinished, finished, kind)
		gauge(runValues, float64(r.ReEncrypted), kind, "re_encrypted")
		gauge(runValues, float64(r.AlreadyThere), kind, "already_there")
		gauge(runValues, float64(r.Failed), kind, "failed")
	}
}

// Findings says what is wrong with the keys and the runs, as far as the
// database knows.
func (s *Service) Findings(ctx context.Context) ([]telemetry.Finding, error) {
	keys, err := s.Keys.Keys(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := sealed.Counts(ctx, s.DB.Single(), 0)
	if err != nil {
		return nil, err
	}
	latest, err := selectLatest(ctx, s.DB.Single())
	if err != nil {
		return nil, err
	}
	found := ofRuns(latest, counts)
	found = append(found, ofValues(keys, counts, latest)...)
	found = append(found, s.ofActiveKey(keys)...)
	found = append(found, s.ofConfiguration(keys)...)
	overdue, err := s.overdue(ctx)
	if err != nil {
		return nil, err
	}
	return append(found, overdue...), nil
}

// ofRuns finds runs that have failed and left something undone. A rotation
// stays on the list until a later one succeeds; what another run was to empty
// may be empty by now.
func ofRuns(latest []Run, counts []sealed.Count) []telemetry.Finding {
	var found []telemetry.Finding
	for _, r := range latest {
		if r.State != Failed || r.Kind != Rotation && !leftBy(r, counts) {
			continue
		}
		found = append(found, telemetry.Finding{
			Severity: telemetry.Problem, Subject: string(r.Kind), Detail: fmt.Sprintf("The latest %s has failed, at %s: %s", r.Kind, r.FinishedAt.Format(time.RFC3339), *r.Error),
			Fix: "Mend what it says, and start it again: fluxbase-cli secrets " + command(r),
		})
	}
	return found
}

// leftBy says whether there are values that a run was to move.
func leftBy(r Run, counts []sealed.Count) bool {
	return slices.ContainsFunc(counts, func(c sealed.Count) bool {
		return r.moves(c.Version) && c.Count > 0
	})
}

// command is how a run is started again.
func command(r Run) string {
	switch r.Kind {
	case ReEncryption:
		return fmt.Sprintf("re-encrypt --from-version %d --to-version %d", *r.FromVersion, *r.ToVersion)
	case Rollback:
		return fmt.Sprintf("rollback --to-version %d --reason ...", *r.ToVersion)
	case Rotation:
	}
	return "rotate"
}

// ofValues finds values that a rotation has left behind.
func ofValues(keys []encryption.Key, counts []sealed.Count, latest []Run) []telemetry.Finding {
	for _, r := range latest {
		if !r.Over() {
			return nil // somebody is at it
		}
	}
	var active uint32
	under := map[uint32]int64{}
	for _, k := range keys {
		if k.State == encryption.Activated {
			active = k.Version
		}
	}
	for _, c := range counts {
		under[c.Version] += c.Count
	}
	var found []telemetry.Finding
	for _, k := range keys {
		n := under[k.Version]
		if k.Version == active || n == 0 {
			continue
		}
		f := telemetry.Finding{
			Severity: telemetry.Warning, Subject: "sealed values",
			Detail: fmt.Sprintf("%d values are sealed under key version %d, which is %s; version %d is active.", n, k.Version, k.State, active),
			Fix:    fmt.Sprintf("fluxbase-cli secrets re-encrypt --from-version %d --to-version %d", k.Version, active),
		}
		if k.State == encryption.RolledBack {
			f.Severity = telemetry.Problem
		}
		found = append(found, f)
	}
	return found
}

// oldKey is the age past which a key should have been rotated: a quarter, and a
// month of patience.
const oldKey = 120 * 24 * time.Hour

func (s *Service) ofActiveKey(keys []encryption.Key) []telemetry.Finding {
	for _, k := range keys {
		if k.State != encryption.Activated || k.ActivatedAt == nil || s.Keys.Now().Sub(*k.ActivatedAt) < oldKey {
			continue
		}
		return []telemetry.Finding{{
			Severity: telemetry.Warning, Subject: "encryption keys",
			Detail: fmt.Sprintf("Key version %d has been active since %s.", k.Version, k.ActivatedAt.Format(time.DateOnly)),
			Fix:    "Rotate quarterly: docs/operations/key-rotation.md, or security.encryption.key_rotation.",
		}}
	}
	return nil
}

// ofConfiguration finds that the configuration asks for another active key than
// the database has. A key that a rotation has generated may be ahead of it.
func (s *Service) ofConfiguration(keys []encryption.Key) []telemetry.Finding {
	active := slices.IndexFunc(keys, func(k encryption.Key) bool { return k.State == encryption.Activated })
	if active < 0 {
		return nil
	}
	k := keys[active]
	var found []telemetry.Finding
	warn := func(detail, fix string) {
		found = append(found, telemetry.Finding{Severity: telemetry.Warning, Subject: "encryption keys", Detail: detail, Fix: fix})
	}
	set := fmt.Sprintf("Set security.encryption.active_key_version: %d", k.Version)
	switch asked := s.Keys.Active; {
	case asked > k.Version:
		detail := fmt.Sprintf("Version %d becomes active when the server starts with this configuration; version %d is active.", asked, k.Version)
		fix := "Start every server with this configuration."
		i := slices.IndexFunc(keys, func(k encryption.Key) bool { return k.Version == asked })
		if i >= 0 && keys[i].State != encryption.Standby {
			detail = fmt.Sprintf("The configuration asks for version %d, which is %s; version %d is active.", asked, keys[i].State, k.Version)
			fix = set
		}
		warn(detail, fix)
	case asked != 0 && asked < k.Version && k.Provider == nil:
		warn(fmt.Sprintf("The configuration asks for version %d, which is behind; version %d is active.", asked, k.Version), set)
	}
	if s.Keys.Provider != "" && s.Keys.Provider != encryption.Local && s.Keys.Active <= k.Version && (k.Provider == nil || *k.Provider != s.Keys.Provider) {
		warn(fmt.Sprintf("The active key, version %d, is %s, and the configuration says %s.", k.Version, origin(k), s.Keys.Provider), "fluxbase-cli secrets rotate")
	}
	return found
}

// origin says where the material of a key is.
func origin(k encryption.Key) string {
	if k.Provider == nil {
		return "in the configuration"
	}
	return fmt.Sprintf("wrapped by %s under %s", *k.Provider, *k.WrappingKey)
}

// overdue finds a rotation that no server has started, if servers of this
// configuration do so.
func (s *Service) overdue(ctx context.Context) ([]telemetry.Finding, error) {
	if !s.Config.Enabled {
		return nil, nil
	}
	due, err := selectSchedule(ctx, s.DB.Single())
	if err != nil || due.schedule == "" || due.now.Sub(due.at) < time.Hour {
		return nil, err
	}
	return []telemetry.Finding{{
		Severity: telemetry.Warning, Subject: "rotation",
		Detail: fmt.Sprintf("A rotation was due at %s, and no server has started it.", due.at.Format(time.RFC3339)),
		Fix:    "Start a server with this configuration; its log says why if that does not help.",
	}}, nil
}
