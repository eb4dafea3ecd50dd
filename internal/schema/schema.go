// Package schema holds the schema of the server, as ordered SQL files that
// are built into the program.
//
// Each file is applied in one transaction, in the order of its number, and is
// never edited once released: a change is a new file. What a database
// administrator must do first, because it concerns the whole cluster, is in
// roles.sql.
package schema

import "embed"

// Files holds the numbered migrations, at the root of the file system.
//
//go:embed 0*.sql
var Files embed.FS

// Roles is the SQL that creates the database roles of API traffic. It may be
// run any number of times, by a superuser or by a role that may create others.
//
//go:embed roles.sql
var Roles string

// CatalogWatch is the SQL that announces changes of the schema as they happen.
// It needs a superuser, and is optional.
//
//go:embed catalog_watch.sql
var CatalogWatch string
