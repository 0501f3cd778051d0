// Package pypi is the Python ecosystem without its wire: project names, PEP 440 versions and their order, version
// specifiers, and the names of wheels and source distributions (pypi.md §0).
package pypi
