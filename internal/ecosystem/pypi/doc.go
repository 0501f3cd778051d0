// Package pypi is the Python ecosystem: what a package is (names, PEP 440 versions, specifiers, file names, core metadata,
// wheels and source distributions) and its wire (the simple repository API, the legacy upload, the JSON API, the feeds).
// Sections cited as pypi.md are those of the protocol page.
package pypi
