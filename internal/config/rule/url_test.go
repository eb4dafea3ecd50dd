package rule

import "testing"

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgres://db/app":                       "postgres://db/app",
		"postgres://app@db/app":                   "postgres://app@db/app",
		"postgres://app:pw@db:5432/app":           "postgres://app:[redacted]@db:5432/app",
		"postgres://app:@db/app":                  "postgres://app:[redacted]@db/app",
		"postgres://db/app?user=a&password=pw":    "postgres://db/app?user=a&[redacted]",
		"postgresql:///app?host=/run&options=pw":  "postgresql:///app?host=/run&[redacted]",
		"postgres://u:12?pw@h/app":                "[redacted]",
		"postgres://h:12?pw":                      "postgres://h:12?[redacted]",
		"postgres://u:12/pw@h/app":                "[redacted]",
		"postgres://u:12/pw":                      "postgres://u:12/pw", // no different from a port and a database
		"host=db password=pw":                     "[redacted]",
		"postgres://u:p%zz@h/app":                 "[redacted]",
		"pw":                                      "[redacted]",
		"postgres://a%20b:pw@db/app?sslmode=none": "postgres://a%20b:[redacted]@db/app?sslmode=none",
	} {
		if got := RedactURL(in); got != want {
			t.Errorf("RedactURL(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestRedactRedisURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"redis://127.0.0.1:6379/0":   "redis://127.0.0.1:6379/0",
		"rediss://redis.example.com": "rediss://redis.example.com",
		"redis://u:hunter2@h:6379/1": "redis://[redacted]@h:6379/1",
		"redis://:hunter2@h":         "redis://[redacted]@h",
		"redis://hunter2@h":          "redis://[redacted]@h",
		"redis://h/hunter2":          "[redacted]",
		"redis://h?password=hunter2": "[redacted]",
		"redis://h#hunter2":          "[redacted]",
		"redis://u:12/hunter2@h":     "[redacted]",
		"redis://u:p%zz@h":           "[redacted]",
		"http://u:hunter2@h":         "[redacted]",
		"hunter2":                    "[redacted]",
	} {
		if got := RedactRedisURL(in); got != want {
			t.Errorf("RedactRedisURL(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestOriginOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://hooks.example.com":            "https://hooks.example.com",
		"https://hooks.example.com:8443/":      "https://hooks.example.com:8443/",
		"https://hooks.example.com/hunter2":    "https://hooks.example.com/[redacted]",
		"https://hooks.example.com?hunter2":    "https://hooks.example.com/[redacted]",
		"https://hooks.example.com/?t=hunter2": "https://hooks.example.com/[redacted]",
		"https://hooks.example.com/#hunter2":   "https://hooks.example.com/[redacted]",
		"https://u:hunter2@hooks.example.com":  "https://hooks.example.com/[redacted]",
		"https://hunter2@hooks.example.com/":   "https://hooks.example.com/[redacted]",
		"hunter2":                              "[redacted]",
		"https:hunter2":                        "[redacted]",
		"https://%zz/hunter2":                  "[redacted]",
	} {
		if got := OriginOf(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
