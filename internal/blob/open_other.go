//go:build !linux

package blob

import (
	"errors"
	"os"
)

// openBeneath is for Linux.
func openBeneath(*os.File, string) (*os.File, error) { return nil, errors.ErrUnsupported }
