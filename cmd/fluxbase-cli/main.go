// Command fluxbase-cli is the operator's command line.
package main

import (
	"os"

	"github.com/fluxbase/fluxbase/internal/cli/operator"
)

func main() {
	os.Exit(operator.Main(os.Args[1:], os.Stdout, os.Stderr))
}
