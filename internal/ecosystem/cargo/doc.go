// Package cargo is the Cargo ecosystem without its wire: crate names, versions and their order, and the rules of a
// requirement (cargo.md §1.4, §2.5).
package cargo
