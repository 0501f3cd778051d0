// Package upkeep keeps an instance sound and in bounds: it collects blobs that nothing refers to, removes old builds and
// pre-releases as the repositories' rules say, checks that rows, blobs and events agree, and makes and restores backups.
package upkeep
