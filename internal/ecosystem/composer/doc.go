// Package composer is the Composer ecosystem: what a package is (names, versions, their order, constraints, composer.json
// and the zip around it) and its wire (packages.json, the p2 metadata, dists, lists, search, uploads). Sections cited as
// composer.md are those of the protocol page.
package composer
