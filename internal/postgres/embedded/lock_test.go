package embedded

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestSecondStarterIsTold(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	cmd, out := child(t, dir)
	url := said(t, out, "ready")
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)+":") {
		t.Errorf("error is %v, want the number %d", err, cmd.Process.Pid)
	}
	if got := ask(t, url, "select 1"); got != "1" {
		t.Errorf("the first one's server answers %q", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestStartersAtOnce(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	results := make(chan error, 4)
	var started sync.Map
	for range cap(results) {
		go func() {
			c, err := Start(context.Background(), Options{Dir: dir, Settings: map[string]string{"fsync": "off"}})
			if err == nil {
				started.Store(c, true)
			}
			results <- err
		}()
	}
	won := 0
	for range cap(results) {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, ErrInUse) {
			t.Error(err)
		}
	}
	started.Range(func(c, _ any) bool {
		end(t, c.(*Cluster))
		return true
	})
	if won != 1 {
		t.Errorf("%d of %d started", won, cap(results))
	}
}
