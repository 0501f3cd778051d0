// Package npm is the npm ecosystem without its wire: package names and their escaped form, versions and their order, and
// what counts as a semver range (npm.md §1, §3, §11).
package npm
