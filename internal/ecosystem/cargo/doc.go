// Package cargo is the Cargo ecosystem: its names, versions and requirements, what a crate says about itself, and the
// registry protocol that cargo speaks (cargo.md).
package cargo
