// Package archtest keeps the shape of the program that ARCHITECTURE.md
// describes: imports point down, SQL stays in store files, HTTP in http files.
package archtest

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	prefix    = "github.com/fluxbase/fluxbase/internal/"
	firstRule = 2 // the first layer whose files are sorted into store*.go and http*.go
	assembly  = 6 // the layer that may import anything
)

// TestImportsPointDown reads the sources itself rather than asking go list:
// the test cache watches files that the test opens, and not those that a
// child process opens, so a go list version passes stale.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()

	layer := readLayers(t)
	checked := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		from, err := filepath.Rel("..", filepath.Dir(path))
		if err != nil {
			return err
		}
		lf, ok := layer[from]
		if !ok {
			t.Errorf("%s: no layer in layers.txt", from)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checked++
			if why := forbidden(layer, from, lf, filepath.Base(path), name); why != "" {
				t.Errorf("%s: %s", path, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d imports checked", checked)
}

// forbidden says why file, in package from at layer lf, may not import name,
// or returns the empty string if it may.
func forbidden(layer map[string]int, from string, lf int, file, name string) string {
	sorted := lf >= firstRule && lf < assembly
	if sorted && name == "net/http" && !strings.HasPrefix(file, "http") {
		return "only http*.go may import net/http"
	}
	if sorted && strings.HasPrefix(name, "github.com/jackc/pgx") && !strings.HasPrefix(file, "store") {
		return "only store*.go may import pgx"
	}
	to, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return ""
	}
	lt, ok := layer[to]
	if !ok {
		return to + " has no layer in layers.txt"
	}
	sameFamily := strings.Split(from, "/")[0] == strings.Split(to, "/")[0]
	if lt < lf || lf == 0 && lt == 0 || lf == assembly || lt == lf && sameFamily {
		return ""
	}
	return fmt.Sprintf("layer %d may not import %s of layer %d", lf, to, lt)
}

func readLayers(t *testing.T) map[string]int {
	t.Helper()

	f, err := os.Open("layers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()

	layer := map[string]int{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		var n int
		var pkg string
		if _, err := fmt.Sscan(sc.Text(), &n, &pkg); err != nil {
			t.Fatalf("layers.txt: %q: %v", sc.Text(), err)
		}
		layer[pkg] = n
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return layer
}
