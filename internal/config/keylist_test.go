package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// list is a file whose line 4 is the first of the list.
func list(text string) string { return "security:\n  encryption:\n    keys:\n" + text }

func TestKeyList(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key2")
	if err := os.WriteFile(path, []byte(otherKey+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	digits := strings.Repeat("12345678", 8) // a number, to YAML
	tests := map[string]struct {
		text, environ string
		want          []string
	}{
		"key file":                     {list("      - version: 2\n        key_file: " + path + "\n"), "", []string{"2 " + otherKey}},
		"a file that a variable names": {list("      - {version: 2, key_file: \"${FILE}\"}\n"), "FILE=" + path, []string{"2 " + otherKey}},
		"version of a variable":        {list("      - {version: \"${N}\", key: " + goodKey + "}\n"), "N=9", []string{"9 " + goodKey}},
		"digits":                       {list("      - {version: 1, key: " + digits + "}\n"), "", []string{"1 " + digits}},
		"in any order":                 {list("      - {version: 3, key: " + otherKey + "}\n      - {key: " + goodKey + ", version: 1}\n"), "", []string{"1 " + goodKey, "3 " + otherKey}},
		"all commented":                {list("      # - version: 1\n      #   key: x\n"), "", nil},
		"empty list":                   {"security: {encryption: {keys: []}}\n", "", nil},
		"anchors":                      {list("      - {version: 1, key: &k " + goodKey + "}\n      - &e {version: 2, key: *k}\n"), "", []string{"1 " + goodKey, "2 " + goodKey}},
		"JSON of a variable":           {list("      ${KEYS}\n"), `KEYS=[{"version":4,"key":"` + goodKey + `"}]`, []string{"4 " + goodKey}},
		"variable":                     {"", `FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":4,"key":"pa$$word${X}0123456789abcdefghij"}, {"version":5,"key_file":"` + path + `"}]`, []string{"4 pa$$word${X}0123456789abcdefghij", "5 " + otherKey}},
		"empty variable":               {"", "FLUXBASE_SECURITY_ENCRYPTION_KEYS=", nil},
		"numbered":                     {"", "FLUXBASE_SECRET_KEY_12=" + goodKey, []string{"12 " + goodKey}},
		"numbered file":                {"", "FLUXBASE_SECRET_KEY_12_FILE=" + path, []string{"12 " + otherKey}},
		"numbered reference":           {"", "FLUXBASE_SECRET_KEY_2147483647={{ vault `a/b` }}", []string{"2147483647 {{ vault `a/b` }}"}},
		"secret_key as a reference":    {"secret_key: \"{{ vault `a/b` }}\"\n", "", []string{"1 {{ vault `a/b` }}"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantKeys(t, mustLoad(t, tt.text, tt.environ), tt.want...)
		})
	}
}

func TestKeyListProblems(t *testing.T) {
	t.Parallel()
	_, got := loadFile(t, list(`      - version: 1
        key: hunter2
        kye: hunter2
        hunter2-hunter2-hunter2: x
      - key: `+goodKey+`
      - version: 2
      - version: 3
        key: `+goodKey+`
        key_file: /hunter2
      - version: "4"
        version: 4
        key_file: /no/hunter2
      - hunter2
      - [hunter2]
      - {hunter2: hunter2}
      - version: 0
        key: [hunter2]
      - version: 2147483648
        key: "${NO_SUCH_VARIABLE}"
      - {version: 9, key: `+goodKey+`}
      - {version: 9, key: `+goodKey+`}
      - {version: 10, key: ""}
      - {version: 11, key: }
      - {version: 12, key: "{{ vault 'hunter2/fluxbase' }}"}
`), "FLUXBASE_SECRET_KEY_0="+goodKey)
	const form = "must be 32 bytes: 64 hexadecimal digits (openssl rand -hex 32), base64, or exactly 32 characters"
	const plain = "must be a plain value, not a list, a section or a tagged value"
	const hidden = "has a member that is not repeated here, as it may be a value; a colon needs a space after it"
	var want []string
	for _, line := range []string{
		"6: .kye is not a known key; the nearest is security.encryption.keys.key (element 1)",
		"7: " + hidden + " (element 1)",
		"5: .key " + form + " (element 1)",
		"8: has no version (element 2)",
		"9: has neither key nor key_file (element 3)",
		"10: has both key and key_file; keep one of them (element 4)",
		"14: .version is given twice, first on line 13 (element 5)",
		"13: .version must be a whole number, without quotes (element 5)",
		"15: .key_file names a file that cannot be read: no such file or directory (element 5)",
		`16: must be a key such as {version: 2, key: "${NEW_SECRET_KEY}"} (element 6)`,
		`17: must be a key such as {version: 2, key: "${NEW_SECRET_KEY}"} (element 7)`,
		"18: " + hidden + " (element 8)",
		"18: has no version (element 8)",
		"18: has neither key nor key_file (element 8)",
		"19: .version must be a version from 1 to 2147483647 (element 9)",
		"20: .key " + plain + " (element 9)",
		"21: .version must be a version from 1 to 2147483647 (element 10)",
		"22: .key needs the variable NO_SUCH_VARIABLE, which is not set; set it, or write ${NO_SUCH_VARIABLE:-default} (element 10)",
		"24: has version 9 twice, in the elements 11 and 12",
		"25: .key is empty; a version has a key or is left out (element 13)",
		`26: .key has no value; write "" for an empty one, or take the line out (element 14)`,
		"27: .key must be a Vault reference written {{ vault `mount/path` }} or {{ vault `mount/path#field` }}, or a key that does not begin with {{ (element 15)",
	} {
		place, detail, _ := strings.Cut(line, ": ")
		want = append(want, "fluxbase.yaml:"+place+": "+strings.Replace("security.encryption.keys "+detail, "keys .", "keys.", 1))
	}
	want = append(want, "environment: FLUXBASE_SECRET_KEY_0 names no version of a key: they count from 1, as in FLUXBASE_SECRET_KEY_1")
	wantProblems(t, got, want...)
}

func TestKeyListForms(t *testing.T) {
	t.Parallel()
	const entry = `must be a list of keys, each such as {version: 2, key: "${NEW_SECRET_KEY}"}`
	const array = `must be a JSON array of keys, such as [{"version":2,"key":"..."}]`
	for text, want := range map[string]string{
		"security: {encryption: {keys: {version: 1}}}":    "fluxbase.yaml:1: security.encryption.keys " + entry,
		"security: {encryption: {keys: hunter2}}":         "fluxbase.yaml:1: security.encryption.keys " + array,
		"security: {encryption: {keys: 5}}":               "fluxbase.yaml:1: security.encryption.keys must be a list of keys",
		"security: {encryption: {keys: \"[hunter2\"}}":    "fluxbase.yaml:1: security.encryption.keys " + array,
		"security: {encryption: {kyes: []}}":              "fluxbase.yaml:1: security.encryption.kyes is not a known key; the nearest is security.encryption.keys",
		"security: {encryption: {" + goodKey + ": x}}":    "fluxbase.yaml:1: security.encryption has a key that cannot be one and is not repeated here, as it may hold a value; a colon needs a space after it",
		"security: {encryption: {" + goodSecret + ": x}}": "fluxbase.yaml:1: security.encryption has a key that cannot be one and is not repeated here, as it may hold a value; a colon needs a space after it",
	} {
		_, got := loadFile(t, text)
		wantProblems(t, got, want)
	}
	const variable = "env FLUXBASE_SECURITY_ENCRYPTION_KEYS: security.encryption.keys"
	for text, want := range map[string]string{
		goodKey:         variable + " " + array,
		`{"version":1}`: variable + " " + array,
		`[{"version":"1","key":"` + goodKey + `"}]`: variable + ".version must be a whole number, without quotes (element 1)",
		`[{"version":1,"key":"${X}"}]`:              variable + ".key must be 32 bytes: 64 hexadecimal digits (openssl rand -hex 32), base64, or exactly 32 characters (element 1)",
		`[{"version":1,"Key":"` + goodKey + `"}]`:   variable + ".Key is not a known key; the nearest is security.encryption.keys.key (element 1)|" + variable + " has neither key nor key_file (element 1)",
	} {
		_, got := loadFile(t, "", "FLUXBASE_SECURITY_ENCRYPTION_KEYS="+text)
		wantProblems(t, got, strings.Split(want, "|")...)
	}
}

func TestNumberedVariables(t *testing.T) {
	t.Parallel()
	const counts = " names no version of a key: they count from 1, as in FLUXBASE_SECRET_KEY_1"
	for entry, want := range map[string]string{
		"FLUXBASE_SECRET_KEY_0=x":                    "environment: FLUXBASE_SECRET_KEY_0" + counts,
		"FLUXBASE_SECRET_KEY_01=x":                   "environment: FLUXBASE_SECRET_KEY_01" + counts,
		"FLUXBASE_SECRET_KEY_2147483648_FILE=":       "environment: FLUXBASE_SECRET_KEY_2147483648_FILE" + counts,
		"FLUXBASE_SECRET_KEY_99999999999999999999=x": "environment: FLUXBASE_SECRET_KEY_99999999999999999999" + counts,
		"FLUXBASE_SECRET_KEY_=x":                     "environment: FLUXBASE_SECRET_KEY_ is not a known variable; the nearest is FLUXBASE_SECRET_KEY",
		"FLUXBASE_SECRET_KEY_two=x":                  "environment: FLUXBASE_SECRET_KEY_two is not a known variable; the nearest is FLUXBASE_SECRET_KEY",
		"FLUXBASE_SECRET_KEY_2=":                     "env FLUXBASE_SECRET_KEY_2: security.encryption.keys[version 2] is empty; a version has a key or is left out",
		"FLUXBASE_SECRET_KEY_2=hunter2":              "env FLUXBASE_SECRET_KEY_2: security.encryption.keys[version 2] must be 32 bytes: 64 hexadecimal digits (openssl rand -hex 32), base64, or exactly 32 characters",
		"FLUXBASE_SECRET_KEY_2_FILE=/no/such":        "env FLUXBASE_SECRET_KEY_2_FILE: security.encryption.keys[version 2] names a file that cannot be read: no such file or directory",
		"FLUXBASE_SECRET_KEY_2_FILE=/dev/null":       "env FLUXBASE_SECRET_KEY_2_FILE: security.encryption.keys[version 2] is empty; a version has a key or is left out",
	} {
		_, got := loadFile(t, "", entry)
		wantProblems(t, got, want)
	}
	_, got := loadFile(t, "", "FLUXBASE_SECRET_KEY_2="+goodKey, "FLUXBASE_SECRET_KEY_2_FILE=/dev/null")
	wantProblems(t, got, "env FLUXBASE_SECRET_KEY_2_FILE: security.encryption.keys[version 2] is also set by FLUXBASE_SECRET_KEY_2; keep one of them")
}
