package server

import "github.com/prometheus/client_golang/prometheus"

// Registry is what /metrics serves.
func (s *Server) Registry() *prometheus.Registry { return s.metrics }
