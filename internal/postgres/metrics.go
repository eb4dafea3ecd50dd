package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Pools are the metrics of pools of connections, by the name that the owner's
// pool of a DB has there; the others are named by their roles. Pools of which
// there are two by one name are a defect: the registry refuses them.
type Pools map[string]*DB

type poolMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*pgxpool.Stat) float64
}

func gauge(name, help string, value func(*pgxpool.Stat) float64) poolMetric {
	return poolMetric{poolDesc(name, help), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*pgxpool.Stat) float64) poolMetric {
	return poolMetric{poolDesc(name, help), prometheus.CounterValue, value}
}

func poolDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("fluxbase_db_pool_"+name, help, []string{"pool"}, nil)
}

var poolMetrics = []poolMetric{
	gauge("connections_max", "Connections to PostgreSQL that a pool may have.", func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) }),
	gauge("connections_in_use", "Connections that work for somebody.", func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) }),
	gauge("connections_idle", "Connections that wait for work.", func(s *pgxpool.Stat) float64 { return float64(s.IdleConns()) }),
	counter("connections_opened_total", "Connections that have been opened.", func(s *pgxpool.Stat) float64 { return float64(s.NewConnsCount()) }),
	counter("acquires_total", "How often a connection was taken.", func(s *pgxpool.Stat) float64 { return float64(s.AcquireCount()) }),
	counter("waits_total", "How often none was free, and somebody waited or a new one was opened.", func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) }),
	counter("wait_seconds_total", "Time spent waiting for connections.", func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() }),
	counter("gave_up_total", "How often somebody stopped waiting before there was a connection.", func(s *pgxpool.Stat) float64 { return float64(s.CanceledAcquireCount()) }),
}

// Describe implements prometheus.Collector.
func (Pools) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range poolMetrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector. It asks nothing of the database.
func (p Pools) Collect(ch chan<- prometheus.Metric) {
	collect := func(name string, pool *pgxpool.Pool) {
		stat := pool.Stat()
		for _, m := range poolMetrics {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(stat), name)
		}
	}
	for name, db := range p {
		collect(name, db.owner)
		for role, pool := range db.roles {
			collect(string(role), pool)
		}
	}
}
