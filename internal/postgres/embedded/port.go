package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strconv"
	"strings"
)

// New ports are taken from below the ranges that systems give to outgoing
// connections, where a remembered one would not stay free.
const (
	firstPort = 20000
	lastPort  = 31999
)

// choosePort is the cluster's last port if it is free, else a new one.
func (s *site) choosePort(ctx context.Context) (int, error) {
	text, err := os.ReadFile(s.path("port"))
	if err == nil {
		port, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil && port > 0 && portIsFree(ctx, port) {
			return port, nil
		}
		s.log.WarnContext(ctx, "embedded postgres gets a new port, its last is taken", "port", port)
	}
	return newPort(ctx)
}

func newPort(ctx context.Context) (int, error) {
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort+1))
		if err != nil {
			return 0, fmt.Errorf("choose a port: %w", err)
		}
		if port := firstPort + int(n.Int64()); portIsFree(ctx, port) {
			return port, nil
		}
	}
	return 0, errors.New("choose a port: none is free")
}

func portIsFree(ctx context.Context, port int) bool {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

func (s *site) rememberPort(port int) error {
	text := strconv.Itoa(port) + "\n"
	if old, err := os.ReadFile(s.path("port")); err == nil && string(old) == text {
		return nil
	}
	if err := replaceFile(s.path("port"), text, os.Rename); err != nil {
		return fmt.Errorf("remember the port: %w", err)
	}
	return nil
}
