// Package composer is the Composer ecosystem without its wire: package names, versions and their normalized form, their
// order, and constraints (composer.md §3, §3.1).
package composer
