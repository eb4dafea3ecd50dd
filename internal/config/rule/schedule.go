package rule

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

var (
	errSchedule = errors.New("must be the five fields of cron, such as 0 2 1 * *: minute, hour, day of the month, month, day of the week")
	errNever    = errors.New("never comes: no such day")
)

// Next returns the first time after a given one that a schedule names, in UTC.
// It is an error only for a schedule that is against the rule.
func Next(schedule string, after time.Time) (time.Time, error) {
	if err := checkSchedule(schedule); err != nil {
		return time.Time{}, err
	}
	return nextTick(schedule, after)
}

// maxSchedule is the length of one, in bytes, that has room for every sensible
// list; each element costs time.
const maxSchedule = 256

// scheduleElement is what may stand between the commas of each field. gronx
// reads more than that (seconds, years, @daily, L and W), and of an element that
// it does not understand it says nothing as long as another one is due now, so
// it is asked about one plain element at a time.
var scheduleElement = [...]*regexp.Regexp{
	element(`[0-9]{1,2}`),
	element(`[0-9]{1,2}`),
	element(`[0-9]{1,2}`),
	element(`[0-9]{1,2}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec`),
	element(`[0-7]|sun|mon|tue|wed|thu|fri|sat`),
}

func element(value string) *regexp.Regexp {
	const step = `/[1-9][0-9]?`
	return regexp.MustCompile(`^(?i:\*(?:` + step + `)?|(?:` + value + `)(?:-(?:` + value + `)(?:` + step + `)?)?)$`)
}

func checkSchedule(value any) error {
	text, _ := value.(string)
	parts := strings.Fields(text)
	if len(parts) != len(scheduleElement) || len(text) > maxSchedule {
		return errSchedule
	}
	for i, part := range parts {
		elements := strings.Split(part, ",")
		for _, e := range elements {
			alone := []string{"*", "*", "*", "*", "*"}
			alone[i] = e
			star := strings.HasPrefix(e, "*") && len(elements) > 1 // says everything or nothing, depending on who reads it
			if star || !scheduleElement[i].MatchString(e) || !gronx.IsValid(strings.Join(alone, " ")) {
				return errSchedule
			}
		}
	}
	// Calendars repeat after 400 years that begin like this one, with a leap day soon.
	_, err := nextTick(text, time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC))
	return err
}

func nextTick(schedule string, after time.Time) (time.Time, error) {
	next, err := gronx.NextTickAfter(strings.Join(strings.Fields(schedule), " "), after.UTC(), false)
	if err != nil {
		return time.Time{}, errNever
	}
	return next, nil
}
