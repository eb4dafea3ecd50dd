package embedded

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// defaults suit one developer on a small machine; [Options.Settings] may
// change them.
var defaults = map[string]string{
	"shared_buffers":  "64MB",
	"max_connections": "100",
	"max_wal_size":    "256MB",
	"min_wal_size":    "64MB",
	"jit":             "off", // costs more than it gains on small tables
	"timezone":        "UTC",
	"log_timezone":    "UTC",
	"log_line_prefix": "%m [%p] %q%u@%d ",
	"log_checkpoints": "off",
	"cluster_name":    "fluxbase", // shown by ps
}

// reserved settings decide where the server listens, who may enter and which
// files it uses.
var reserved = []string{
	"listen_addresses", "port", "unix_socket_directories", "unix_socket_permissions", "unix_socket_group",
	"data_directory", "config_file", "hba_file", "ident_file", "external_pid_file",
	"log_destination", "logging_collector",
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// checkSettings gives the settings lower-case names. It refuses a name that is
// reserved or could be read as another: PostgreSQL ignores case, and takes a
// hyphen for an underscore.
func checkSettings(settings map[string]string) (map[string]string, error) {
	checked := make(map[string]string, len(settings))
	for name, value := range settings {
		lower := strings.ToLower(name)
		switch {
		case !settingName.MatchString(name), strings.ContainsRune(value, 0):
			return nil, fmt.Errorf("%q is no setting of PostgreSQL", name)
		case slices.Contains(reserved, lower):
			return nil, fmt.Errorf("setting %s of the embedded PostgreSQL cannot be changed", name)
		}
		checked[lower] = value
	}
	return checked, nil
}

// arguments are the server's. A setting given here outranks postgresql.conf
// and ALTER SYSTEM, so nothing in the database can open another address.
func arguments(data, socket string, port int, settings map[string]string) []string {
	all := maps.Clone(defaults)
	maps.Copy(all, settings)
	all["listen_addresses"] = "127.0.0.1"
	all["port"] = strconv.Itoa(port)
	all["log_destination"] = "stderr"
	all["logging_collector"] = "off"
	all["unix_socket_permissions"] = "0700"
	all["unix_socket_directories"] = ""
	if socket != "" { // the setting is a list, whose elements may be quoted
		all["unix_socket_directories"] = `"` + strings.ReplaceAll(socket, `"`, `""`) + `"`
	}
	args := []string{"-D", data}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}
