package password

import "github.com/prometheus/client_golang/prometheus"

var (
	poolWorkers = prometheus.NewDesc("fluxbase_hash_pool_workers", "Workers that hash passwords.", nil, nil)
	poolQueue   = prometheus.NewDesc("fluxbase_hash_pool_queue_max", "How much work may wait for a worker; what comes on top is refused.", nil, nil)
	poolWaiting = prometheus.NewDesc("fluxbase_hash_pool_pending", "Work that waits for a worker or is under way.", nil, nil)
	poolRefused = prometheus.NewDesc("fluxbase_hash_pool_refused_total", "Work that was refused because too much was waiting.", nil, nil)
)

// Describe implements prometheus.Collector.
func (p *Pool) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolWorkers, poolQueue, poolWaiting, poolRefused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p *Pool) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(poolWorkers, prometheus.GaugeValue, float64(p.workers))
	ch <- prometheus.MustNewConstMetric(poolQueue, prometheus.GaugeValue, float64(cap(p.jobs)))
	ch <- prometheus.MustNewConstMetric(poolWaiting, prometheus.GaugeValue, float64(p.Waiting()))
	ch <- prometheus.MustNewConstMetric(poolRefused, prometheus.CounterValue, float64(p.refused.Load()))
}
