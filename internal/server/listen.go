package server

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/config"
)

// Listen takes the address first, so that a second server fails before it has
// touched anything. An empty public URL becomes the address.
func Listen(ctx context.Context, c *config.Config) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Server.Address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w (another address: --address 127.0.0.1:0 picks a free port)", err)
	}
	if c.PublicURL == "" {
		scheme := "http"
		if c.Server.TLS.Enabled() {
			scheme = "https"
		}
		c.PublicURL = (&url.URL{Scheme: scheme, Host: reachable(listener.Addr())}).String()
	}
	return listener, nil
}

// reachable is an address as it can be typed on this machine.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return address.String()
}
