package ratelimit_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/ratelimit/memory"
	"github.com/fluxbase/fluxbase/internal/ratelimit/redis"
	"github.com/fluxbase/fluxbase/internal/ratelimit/redistest"
)

// patience is that of tests in which Redis answers: a machine may be busy.
const patience = 3 * time.Second

// instance is a fallback as a server has it, and what it says.
type instance struct {
	*ratelimit.Fallback

	log *pgtest.Log
}

func instanceOn(t *testing.T, o redis.Options) instance {
	t.Helper()
	if o.Patience == 0 {
		o.Patience = patience
	}
	log := &pgtest.Log{}
	return instance{ratelimit.NewFallback("redis", open(t, o), memory.New(1000, time.Now), o.Patience, slog.New(slog.NewTextHandler(log, nil)), time.Now), log}
}

// said counts the lines about the beginning and about the end of outages.
func (i instance) said() (began, ended int) {
	text := i.log.String()
	return strings.Count(text, "level=WARN"), strings.Count(text, "answers again")
}

func (i instance) up(t *testing.T) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(i)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "fluxbase_rate_limit_backend_up" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no metric")
	return 0
}

// settle makes the first connection, which may be slower than the others.
func (i instance) settle(t *testing.T) {
	t.Helper()
	c := charge(ratelimit.Refresh, 99, 1000, time.Second)
	eventually(t, func() bool { spend(t, i, c); return i.up(t) == 1 })
}

// outages are the ways in which Redis is not there.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]struct{ begin, end func(*redistest.Server) }{
		"killed, and started with nothing in it": {(*redistest.Server).Kill, (*redistest.Server).Run},
		"frozen":                                 {(*redistest.Server).Freeze, (*redistest.Server).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			one, two := instanceOn(t, redis.Options{URL: server.URL()}), instanceOn(t, redis.Options{URL: server.URL()})
			one.settle(t)
			two.settle(t)
			beganBefore, _ := one.said()
			c := charge(ratelimit.Anonymous, 1, 1000, time.Hour)
			admit := func(n int) int {
				return together(t, n, func(i int) bool {
					ok, _ := spend(t, []instance{one, two}[i%2], c)
					return ok
				})
			}
			if got := admit(600); got != 600 {
				t.Fatalf("control: %d of 600", got)
			}
			o.begin(server)
			got := admit(3000)
			// Each instance has seen half of what came before, and the outage begins in
			// the middle of what comes now.
			if got < 400 || got > 1400 {
				t.Errorf("%d were admitted while Redis was away", got)
			}
			if extra := admit(500); extra > 5 {
				t.Errorf("%d more: it does not end", extra)
			}
			for _, i := range []instance{one, two} {
				if i.up(t) != 0 {
					t.Error("the metric says that Redis answers")
				}
				if n := testutil.CollectAndCount(i, "fluxbase_rate_limit_fallbacks_total"); n != 1 {
					t.Errorf("%d counters", n)
				}
			}
			o.end(server)
			eventually(t, func() bool { admit(2); return one.up(t) == 1 && two.up(t) == 1 })
			began, ended := one.said()
			if began-beganBefore != 1 || ended < 1 {
				t.Errorf("%d lines that it began and %d that it ended:\n%s", began-beganBefore, ended, one.log)
			}
			if ok, _ := spend(t, one, charge(ratelimit.Anonymous, 2, 10, time.Hour)); !ok {
				t.Error("somebody new is refused afterwards")
			}
		})
	}
}

// TestSlowRedis has answers come too late, and then in time.
func TestSlowRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := instanceOn(t, redis.Options{URL: "redis://" + slowProxy(t, server.Address, 200*time.Millisecond), Patience: 50 * time.Millisecond})
	c := charge(ratelimit.Anonymous, 1, 5, time.Hour)
	admitted := 0
	for range 20 {
		if ok, _ := spend(t, i, c); ok {
			admitted++
		}
	}
	began, ended := i.said()
	if admitted != 5 || i.up(t) != 0 || began != 1 || ended != 0 {
		t.Errorf("%d of 5 were admitted; up %v; said %d and %d", admitted, i.up(t), began, ended)
	}
	prompt := instanceOn(t, redis.Options{URL: "redis://" + slowProxy(t, server.Address, 0)})
	prompt.settle(t)
	if prompt.up(t) != 1 {
		t.Error("control: a proxy that is not slow is taken for an outage")
	}
}

// TestRedisThatTakesNoWrites answers, and counts nothing: one that has become a
// replica, whose disk is full, or that has lost its replicas. It is away for as
// long as that lasts.
func TestRedisThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := instanceOn(t, redis.Options{URL: server.URL()})
	i.settle(t)
	before, endedBefore := i.said()
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	c, admitted := charge(ratelimit.Anonymous, 1, 5, time.Hour), 0
	asked := func() int { return strings.Count(i.log.String(), "level=") + probes(t, server) }
	for range 3 { // times that it is asked whether it answers again
		at := asked()
		eventually(t, func() bool {
			if ok, _ := spend(t, i, c); ok {
				admitted++
			}
			return asked() > at
		})
	}
	if began, ended := i.said(); admitted != 5 || began-before != 1 || ended != endedBefore {
		t.Errorf("%d of 5 were admitted; %d lines that it began, %d that it ended", admitted, began-before, ended-endedBefore)
	}
	server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
	eventually(t, func() bool { spend(t, i, c); return i.up(t) == 1 })
}

// probes is how many scripts a Redis was asked to run.
func probes(t *testing.T, server *redistest.Server) (n int) {
	t.Helper()
	_, text, _ := strings.Cut(server.Do("INFO", "commandstats"), "cmdstat_evalsha:calls=")
	text, _, _ = strings.Cut(text, ",")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// slowProxy passes everything on, what comes back after a while.
func slowProxy(t *testing.T, to string, delay time.Duration) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			t.Cleanup(func() { _, _ = from.Close(), there.Close() })
			go func() { _, _ = io.Copy(there, from); _ = there.Close() }()
			go func() {
				buffer := make([]byte, 4096)
				for {
					n, err := there.Read(buffer)
					if err != nil {
						_ = from.Close()
						return
					}
					time.Sleep(delay)
					_, _ = from.Write(buffer[:n])
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestPasswordOfRedis counts alone with a wrong one, and says nothing of it.
func TestPasswordOfRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "requirepass", "right")
	right := instanceOn(t, redis.Options{URL: "redis://:right@" + server.Address})
	right.settle(t)
	wrong := instanceOn(t, redis.Options{URL: "redis://:wrong-password@" + server.Address})
	c := charge(ratelimit.Anonymous, 1, 5, time.Hour)
	admitted := 0
	for range 20 {
		if ok, _ := spend(t, wrong, c); ok {
			admitted++
		}
	}
	if began, _ := wrong.said(); admitted != 5 || began != 1 || wrong.up(t) != 0 {
		t.Errorf("%d of 5; %d lines; up %v", admitted, began, wrong.up(t))
	}
	if text := wrong.log.String(); !strings.Contains(text, "WRONGPASS") || strings.Contains(text, "wrong-password") {
		t.Errorf("the log has not why, or too much: %s", text)
	}
}

// TestRedisOverTLS trusts the authority that is named, and no other.
func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	certificate, key := certify(t)
	server := redistest.Start(t, "tls-cert-file", certificate, "tls-key-file", key, "tls-ca-cert-file", certificate, "tls-auth-clients", "no", "tls-port", "0")
	_, port, _ := net.SplitHostPort(server.Address)
	server.Do("CONFIG", "SET", "port", "0", "tls-port", port)
	ca, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	url := "rediss://" + server.Address
	ask := func(o redis.Options) error {
		_, _, err := open(t, o).Spend(context.Background(), nil)
		return err
	}
	if err := ask(redis.Options{URL: url, CA: ca}); err != nil {
		t.Errorf("with the authority: %v", err)
	}
	if err := ask(redis.Options{URL: url}); err == nil {
		t.Error("a certificate of nobody's is trusted")
	}
	if err := ask(redis.Options{URL: "redis://" + server.Address}); err == nil {
		t.Error("control: it is not TLS")
	}
	for _, o := range []redis.Options{{URL: server.URL(), CA: ca}, {URL: url, CA: []byte("none")}, {URL: "http://x:hunter2@h"}} {
		if _, err := redis.Open(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func certify(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("certificate.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

// TestRoundTrips has Redis count what it was asked: one command a request.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redis.Options{URL: server.URL()})
	server.Do("CONFIG", "RESETSTAT")
	for key := range byte(50) {
		spend(t, s, charge(ratelimit.Anonymous, key, 10, time.Minute), charge(ratelimit.SignIn, key, 10, time.Minute), charge(ratelimit.SignInAccount, key, 10, time.Minute))
	}
	stats := server.Do("INFO", "commandstats")
	if !strings.Contains(stats, "cmdstat_evalsha:calls=50,") || strings.Contains(stats, "cmdstat_eval:") || strings.Count(stats, "calls=50,") != 2 {
		t.Errorf("one script, which asks the time once: %s", stats) // GET and SET are called 150 times by the script itself
	}
	server.Do("SCRIPT", "FLUSH")
	if ok, _ := spend(t, s, charge(ratelimit.Anonymous, 1, 10, time.Minute)); !ok {
		t.Error("without the script in its memory, Redis is of no use")
	}
}
