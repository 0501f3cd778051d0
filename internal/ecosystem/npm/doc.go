// Package npm is the npm ecosystem: its Format (names, versions and their order, what a tarball says of itself and what
// is stored of it) and its Door, the registry protocol that npm, pnpm, yarn and bun speak. Comments cite the sections of
// the protocol notes, npm.md.
//
// One rule shapes it: what is served comes from the tarball. The manifest that a client sends beside it is compared
// with the tarball's package.json, after each client's own normalization, and then forgotten.
package npm
