package main

import (
	"golang.org/x/sys/unix"

	"bonded/internal/errs"
)

// diskUsed is the used part of the file system that holds the data folder, 0 to 1.
func diskUsed(dir string) (float64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	if fs.Blocks == 0 {
		return 0, nil
	}
	// What root keeps for itself counts as used, as df does it.
	used := fs.Blocks - fs.Bfree
	return float64(used) / float64(used+fs.Bavail), nil
}

// room refuses publishes when the disk is nearly full; reading never stops.
func (in *instance) room() error {
	used, err := diskUsed(in.cfg.Data)
	if err != nil || used*100 < float64(in.cfg.DiskRefuse) {
		return nil //nolint:nilerr // a file system without statfs is not a full one
	}
	return errs.New(errs.TooLarge, "The disk of this Bonded is %.0f %% full, so it takes no uploads; downloads go on.", used*100).
		WithRule("storage/disk-full").WithNext("Ask the operator to make room.")
}
