package session

import "strings"

// Known programs and systems, by what their user agents contain. The first that
// fits counts: most browsers also name those that they descend from.
var (
	programs = [][2]string{
		{"Edg/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chromium/", "Chromium"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
		{"node", "Node.js"},
		{"Go-http-client", "Go"},
		{"python-requests/", "Python"},
		{"okhttp/", "Android app"},
		{"CFNetwork/", "Apple app"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Macintosh", "macOS"},
		{"Darwin", "macOS"},
		{"Linux", "Linux"},
	}
)

// Device says in a few words what a user agent says about itself, such as
// "Firefox on Windows": for people to recognise their own, and for nothing to
// rely on. Unknown is nil.
func Device(userAgent *string) *string {
	if userAgent == nil {
		return nil
	}
	program, system := first(programs, *userAgent), first(systems, *userAgent)
	name := program
	switch {
	case program == "" && system == "":
		return nil
	case program == "":
		name = system
	case system != "":
		name = program + " on " + system
	}
	return &name
}

func first(known [][2]string, userAgent string) string {
	for _, k := range known {
		if strings.Contains(userAgent, k[0]) {
			return k[1]
		}
	}
	return ""
}
