package migrate

import (
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/tools/txtar"
)

// queueFirst is the first of River's migrations that is of use here: the one
// before it makes River's own table of versions, whose place QueueTable takes.
const queueFirst = 2

// Queue is the tables of the job queue, in schema auth: River's own
// migrations, of the version that is linked in, under River's own numbers.
// Being a source like the others they are planned, locked and recorded the
// same way. They depend on nothing of ours, and come first.
func Queue() Source {
	return Source{Name: "queue", Table: "auth.queue_migrations", Files: queueFiles()}
}

func queueFiles() fs.FS {
	river, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err) // there is but one line of migrations, and it is the default
	}
	archive := &txtar.Archive{}
	for _, m := range river.AllVersions() {
		if m.Version < queueFirst {
			continue
		}
		sql := strings.ReplaceAll(m.SQLUp, "/* TEMPLATE: schema */", "auth.")
		archive.Files = append(archive.Files, txtar.File{
			Name: fmt.Sprintf("%05d_%s.sql", m.Version, strings.ReplaceAll(m.Name, " ", "_")),
			Data: []byte("-- +goose Up\n-- +goose StatementBegin\n" + strings.TrimSpace(sql) + "\n-- +goose StatementEnd\n"),
		})
	}
	files, err := txtar.FS(archive)
	if err != nil {
		panic(err) // the names are numbers and words
	}
	return files
}
