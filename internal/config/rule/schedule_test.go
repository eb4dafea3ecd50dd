package rule

import (
	"testing"
	"time"
)

// A schedule is right or wrong whatever the time is: gronx alone looks no
// further than the first element that is due.
func TestScheduleOfUnreadElements(t *testing.T) {
	t.Parallel()
	for _, schedule := range []string{"0-59,99 * * * *", "0-59,x * * * *", "* 0-23,99 * * *", "* * 1-31,32 * *", "* * * 1-12,13 *", "* * * * 0-6,9"} {
		if checkSchedule(schedule) == nil {
			t.Errorf("%s is accepted", schedule)
		}
	}
}

// Whatever is accepted comes due again and again, in the future and on a whole
// minute.
func FuzzSchedule(f *testing.F) {
	for _, text := range []string{"0 2 1 * *", "*/15 8-18/2 1,15 jan-mar mon-fri", "0 0 29 2 */7", "59 23 31 12 7", "@daily", "* * * * * *"} {
		f.Add(text, int64(1767225600))
	}
	f.Fuzz(func(t *testing.T, schedule string, seconds int64) {
		if checkSchedule(schedule) != nil {
			return
		}
		after := time.Unix(seconds&(1<<33-1), 0)
		next, err := Next(schedule, after)
		if err != nil || !next.After(after) || next.Second() != 0 || next.Sub(after) > 41*366*24*time.Hour {
			t.Fatalf("%q after %v is %v, %v", schedule, after, next, err)
		}
	})
}
