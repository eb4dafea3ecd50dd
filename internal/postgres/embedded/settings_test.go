package embedded

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingNames(t *testing.T) {
	t.Parallel()
	got, err := checkSettings(map[string]string{"Work_Mem": "8MB", "app.Flag": ""})
	if diff := cmp.Diff(map[string]string{"work_mem": "8MB", "app.flag": ""}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, name := range []string{"", "a b", "a=b", "a-b", "-c", ".a", "a.", "a\n", "PORT", "Config_File", "data_directory"} {
		if _, err := checkSettings(map[string]string{name: "x"}); err == nil {
			t.Errorf("accepted %q", name)
		}
	}
	if _, err := checkSettings(map[string]string{"work_mem": "8MB\x00"}); err == nil {
		t.Error("accepted a value with a zero byte")
	}
}

func TestSocketPathIsQuoted(t *testing.T) {
	t.Parallel()
	args := arguments("/d", `/a "b", c`, 1, nil)
	if want := `unix_socket_directories="/a ""b"", c"`; !slices.Contains(args, want) {
		t.Errorf("%q is not in %q", want, args)
	}
	if args = arguments("/d", "", 1, nil); !slices.Contains(args, "unix_socket_directories=") {
		t.Errorf("no socket is not in %q", args)
	}
}
