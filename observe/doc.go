// Package observe counts what a program does and says how it is: a registry of metrics
// in the Prometheus text format, and health checks.
//
//	reg := observe.NewRegistry()
//	writes := reg.Counter("lithair_writes_total", "Committed transactions.")
//	writes.Add(1)
//	err := router.Get("/observe/metrics", reg.Handler())
//
// Every series exists from the start, so that a rate over it is right from the first
// scrape. Metrics are safe for concurrent use, and counting allocates nothing.
package observe
