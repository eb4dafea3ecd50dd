package near

import "testing"

func TestEdits(t *testing.T) {
	t.Parallel()
	if got := Edits("kitten", "sitting"); got != 3 {
		t.Errorf("Edits(kitten, sitting) = %d, want 3", got)
	}
}
