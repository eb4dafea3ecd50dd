package setting

import "testing"

func TestSizesAndDurationsAreWrittenBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "1023", "1KiB", "1025", "5MiB", "1GiB"} {
		n, err := parseSize(text)
		if got := Size(n).String(); err != nil || got != text {
			t.Errorf("size %s is written back as %s, %v", text, got, err)
		}
	}
	for in, want := range map[string]string{"15m": "15m", "60s": "1m", "90s": "1m30s", "7d": "168h", "1d1m": "24h1m", "1h5s": "1h0m5s", "0": "0s", "10m": "10m", "20h": "20h", "100ms": "100ms"} {
		d, err := ParseDuration(in)
		if got := FormatDuration(d); err != nil || got != want {
			t.Errorf("duration %s is written back as %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "log": "log", "lgo": "log", "sever": "server", "kitten": "mitten", "kitchen": "", "servant": "", "a": ""} {
		if got := Nearest(in, []string{"log", "server", "mitten"}); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a b ä": "a b ä", "": `""`, "\x1b[2J": `"\x1b[2J"`, "a\tb": `"a\tb"`} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %s, want %s", in, got, want)
		}
	}
}
