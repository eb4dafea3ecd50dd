package operator

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/rotation"
)

// progress shows how far a run is: a bar on a terminal, a line now and then
// elsewhere, nothing where the answer is JSON.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	quiet bool
	last  time.Time
}

// lineEvery is how often a line is written where there is no terminal.
const lineEvery = 5 * time.Second

func newProgress(cmd *cobra.Command, title string) *progress {
	p := &progress{out: cmd.OutOrStdout(), quiet: wantsJSON(cmd), last: time.Now()}
	if p.quiet {
		return p
	}
	_, _ = fmt.Fprintln(p.out, title)
	if f, ok := p.out.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.out), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("secrets"), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

func (p *progress) show(r rotation.Run) {
	switch {
	case p.quiet || r.Total == 0 || r.Scanned == r.Total:
	case p.bar != nil:
		if p.bar.GetMax64() != r.Total {
			p.bar.ChangeMax64(r.Total)
		}
		_ = p.bar.Set64(r.Scanned)
	case time.Since(p.last) >= lineEvery:
		p.last = time.Now()
		_, _ = fmt.Fprintf(p.out, "Scanned %d of %d secrets (%d%%)\n", r.Scanned, r.Total, r.Scanned*100/r.Total)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
