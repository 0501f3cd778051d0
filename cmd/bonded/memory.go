package main

import (
	"os"
	"runtime/debug"

	"bonded/internal/config"
)

// limitMemory tells Go's collector what the process should hold at most, so that full caches do not cost twice their size:
// the caches and half as much again, beside what requests need. The operator's own GOMEMLIMIT wins. It is a soft limit;
// past it the collector works harder, and nothing fails.
func limitMemory(cfg *config.Config) {
	const forRequests = 32 << 20
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	caches := int64(cfg.CacheDocuments) + int64(cfg.CacheProjects)
	debug.SetMemoryLimit(caches + caches/2 + forRequests)
}
