// Package registry knows repositories, projects, releases, files, tags and tombstones. It knows no HTTP and no ecosystem
// by name: an ecosystem is a Format, a repository is a Source, and what a reader may see is a View.
package registry
