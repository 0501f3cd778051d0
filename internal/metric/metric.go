// Package metric holds the name of every metric that Bonded emits, so that the alert rules shipped with it, the
// documentation and the code cannot drift apart.
package metric

// The metrics. Gauges without a unit in their name count things.
const (
	HTTPRequests        = "bonded_http_requests_total"             // by route and code
	HTTPDuration        = "bonded_http_request_duration_seconds"   // by route
	HTTPInFlight        = "bonded_http_requests_in_flight"         //
	HTTPPanics          = "bonded_http_panics_total"               //
	HTTPMisdirected     = "bonded_http_misdirected_requests_total" // a foreign Host
	Ready               = "bonded_ready"                           // by part: 1 or 0
	CertificateExpiry   = "bonded_certificate_expiry_seconds"      // seconds left
	BuildInfo           = "bonded_build_info"                      // by version, always 1
	JobsReady           = "bonded_jobs_ready"                      // jobs that could run now
	JobsFailed          = "bonded_jobs_failed"                     // jobs that gave up
	JobOldestSeconds    = "bonded_jobs_oldest_ready_seconds"       // how long the oldest ready job waits
	DiskUsedRatio       = "bonded_disk_used_ratio"                 // 0 … 1 of the data disk
	BackupAgeSeconds    = "bonded_backup_age_seconds"              // since the last complete backup; +Inf if there is none
	FeedLagSeconds      = "bonded_feed_lag_seconds"                // how far this node is behind the event feed
	DocumentCacheHits   = "bonded_document_cache_hits_total"
	DocumentCacheMisses = "bonded_document_cache_misses_total"
)

// All lists every name above.
var All = []string{
	HTTPRequests, HTTPDuration, HTTPInFlight, HTTPPanics, HTTPMisdirected, Ready, CertificateExpiry, BuildInfo,
	JobsReady, JobsFailed, JobOldestSeconds, DiskUsedRatio, BackupAgeSeconds, FeedLagSeconds, DocumentCacheHits, DocumentCacheMisses,
}
