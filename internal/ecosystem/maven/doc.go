// Package maven is the Maven ecosystem without its wire: coordinates, versions and snapshots, and the version order of
// Maven 3.8.7 to 3.9 (maven.md §1; scanning.md §1.4).
package maven
