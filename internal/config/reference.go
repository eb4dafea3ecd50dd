package config

import "github.com/fluxbase/fluxbase/internal/config/setting"

const preface = `# Configuration

<!-- Made from internal/config by: go test ./internal/config -run TestReference -update -->

A setting is taken from, in rising precedence: its default, the file, the environment, a flag of the command.
The file is ` + "`fluxbase.yaml`" + ` in the working directory, or the one that ` + "`--config FILE`" + ` names.
` + "`fluxbase config show`" + ` prints every value in effect and where it came from.

- **Nothing is skipped.** An unknown or duplicate key, a value of the wrong type or outside its limits, and an unknown
  variable that begins with ` + "`FLUXBASE_`" + ` stop the server; all of them are reported together, and no report repeats a value.
  ` + "`FLUXBASE_URL` and `FLUXBASE_SERVICE_KEY`" + ` belong to fluxbase-cli and are ignored.
- **Variables.** Each key has the variable in its row. With ` + "`_FILE`" + ` after the name, the value is read from the file
  that the variable names, without the line break at its end; setting both is an error.
- **In the file**, ` + "`${NAME}`" + ` is the variable NAME, which must be set, and ` + "`${NAME:-default}`" + ` has a default for when it
  is unset or empty. ` + "`$$`" + ` is one dollar sign. Keys are never expanded.
- **Types.** A duration has a unit: ` + "`30s`, `15m`, `168h`, `7d`" + `. A size is a number of bytes or has a unit: ` + "`1048576`, `512KiB`, `1MiB`" + `.
  A list in the environment is separated by commas; a map is a JSON object: ` + "`{\"X-Frame-Options\":\"DENY\"}`" + `.
- **Other spellings** that a row names mean the same setting. Two names of one setting with different values, in the file
  or the environment, are an error.
- **Staging and production** refuse a missing ` + "`public_url`, `secret_key` (or another key, or a provider of keys) or `database.url`" + `,
  an ` + "`auth.jwt.secret`" + ` or key that is short, a pattern, words or a known example, ` + "`*` in `server.cors.allowed_origins`" + `,
  ` + "`sslmode=disable`" + ` to a database elsewhere, a public ` + "`server.admin_address`" + `, an ` + "`auth.bcrypt_cost`" + ` under 10 or an argon2id as cheap, and http to Vault, to a ` + "`kms_endpoint`" + `, to a ` + "`notification_webhook`" + ` or to
  the ` + "`password_breach_url`" + `. Production also refuses an http ` + "`public_url`" + `.
  [All of it](../operations/environments.md).
`

var page = setting.Page{
	Preface: preface,
	Notes:   map[string]string{"security.encryption": encryptionNotes},
	Needed:  []string{"public_url", "secret_key", "database.url"},
}

// Reference returns the page of documentation for every key, in Markdown: a
// table for each section and a complete example file.
func Reference() string { return keys().Reference(page) }

var keysExample = []string{
	"# keys:",
	"#   - version: 2",
	"#     key: \"${NEW_SECRET_KEY}\"",
	"#   - version: 3",
	"#     key: \"{{ vault `secret/fluxbase/keys/v3` }}\"",
}

const encryptionNotes = `
**Keys and versions.** Each key has a version from 1. New values are sealed under one of them, the active one; values sealed
under another open as long as that key is there. Keys come from three places, which add up:

- ` + "`secret_key`" + ` is the key of version 1.
- ` + "`security.encryption.keys`" + ` lists keys by version:

  ` + "```yaml" + `
  security:
    encryption:
      active_key_version: 2
      keys:
        - version: 1
          key: "${OLD_SECRET_KEY}"
        - version: 2
          key_file: /run/secrets/key2
  ` + "```" + `

  ` + "`key_file`" + ` names a file with the key; the line break at its end does not count. In
  ` + "`FLUXBASE_SECURITY_ENCRYPTION_KEYS`" + ` the list is a JSON array: ` + "`[{\"version\":2,\"key\":\"...\"}]`" + `.
- ` + "`FLUXBASE_SECRET_KEY_1`, `FLUXBASE_SECRET_KEY_2`" + ` and so on are the keys of those versions; ` + "`FLUXBASE_SECRET_KEY_2_FILE`" + ` names a file.

Precedence goes by version: what the environment says of version 2 counts over what the file says of version 2, and leaves
version 1 as it is. Two places of one precedence, such as ` + "`secret_key`" + ` and version 1 of the list in one file, may give the same
key; different keys are an error that names both. ` + "`fluxbase config show`" + ` prints the versions in effect and where each came from.

**How a key is written:** 64 hexadecimal digits (` + "`openssl rand -hex 32`" + `), base64 of 32 bytes, exactly 32 characters, or a
reference to where HashiCorp Vault has it:

` + "```yaml" + `
key: "{{ vault ` + "`secret/fluxbase/keys/v1`" + ` }}"
key: "{{ vault ` + "`secret/fluxbase/keys/v1#field`" + ` }}"
` + "```" + `

The path begins with the mount. ` + "`'{{ vault \"secret/fluxbase/keys/v1\" }}'`" + ` is the same; ` + "`secret_key`" + ` and every variable take a
reference too. A reference needs ` + "`security.encryption.vault.address` and `token`" + `. The variables that Vault's own tools read,
` + "`VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_NAMESPACE` and `VAULT_CACERT`" + `, count over the defaults and under everything else.
`
