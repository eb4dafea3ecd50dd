package config

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
