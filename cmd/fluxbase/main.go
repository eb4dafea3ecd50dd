// Command fluxbase is the server.
package main

import (
	"os"

	"github.com/fluxbase/fluxbase/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
