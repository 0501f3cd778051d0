package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"bonded/internal/upkeep"
)

// progressOn draws a bar per stage of a long command where w is a terminal; elsewhere it returns nil.
func progressOn(w io.Writer) upkeep.Progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	var bar *progressbar.ProgressBar
	stage := ""
	return func(now string, done, total int64) {
		if now != stage {
			stage = now
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(now),
				progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(1e8),
				progressbar.OptionEnableColorCodes(os.Getenv("NO_COLOR") == ""))
		}
		_ = bar.Set64(done) // a bar that cannot be drawn is no reason to stop
	}
}
