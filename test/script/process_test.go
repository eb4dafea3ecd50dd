package script_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"

	"github.com/fluxbase/fluxbase/internal/leaktest"
)

// ready is the line that "fluxbase dev --json" prints.
type ready struct {
	APIURL      string `json:"api_url"`
	ClientKey   string `json:"client_key"`
	ServiceKey  string `json:"service_key"`
	DatabaseURL string `json:"database_url"`
}

// process is one server. It can be started again after its end.
type process struct {
	args    []string
	environ []string
	dir     string // where it runs
	data    string // its data directory
	log     string // file of what it writes about itself

	cmd   *exec.Cmd
	ended chan error
	ready ready
}

const (
	startLimit = 60 * time.Second
	stopLimit  = 30 * time.Second
)

// dev returns a development server that keeps everything in data.
func dev(dir, data, log string, environ []string, flags ...string) *process {
	args := append([]string{"dev", "--json", "--address", "127.0.0.1:0", "--data-dir", data}, flags...)
	return &process{args: args, environ: environ, dir: dir, data: data, log: log}
}

// start runs the program and waits until it says where it is.
func (p *process) start() error {
	logFile, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	from, err := logFile.Seek(0, 2)
	if err != nil {
		return err
	}
	if from == 0 { // and not one that is started again
		leaktest.File(p.log)
	}
	p.cmd = exec.CommandContext(context.Background(), program("fluxbase"), p.args...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = p.environ, p.dir, logFile
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	line := make(chan []byte, 1)
	p.ended = make(chan error, 1)
	go func() {
		out := bufio.NewReader(stdout)
		text, _ := out.ReadBytes('\n')
		if len(text) > 0 {
			line <- text
		}
		_, _ = out.WriteTo(&bytes.Buffer{})
		p.ended <- p.cmd.Wait()
	}()
	if err := p.awaitReady(line, from); err != nil {
		p.kill()
		return err
	}
	return nil
}

var serving = regexp.MustCompile(`"msg":"serving","address":"([^"]+)"`)

// awaitReady reads the line of a development server, or the log of another.
func (p *process) awaitReady(line <-chan []byte, from int64) error {
	limit := time.After(startLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case text := <-line:
			leaktest.Traffic("", nil, text)
			return json.Unmarshal(text, &p.ready)
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("the server ended: %w\n%s", err, p.logged(from))
		case <-limit:
			return fmt.Errorf("the server does not start\n%s", p.logged(from))
		case <-tick.C:
			if m := serving.FindSubmatch(p.logged(from)); m != nil && p.args[0] == "serve" {
				p.ready.APIURL = "http://" + string(m[1])
				return nil
			}
		}
	}
}

func (p *process) logged(from int64) []byte {
	text, err := os.ReadFile(p.log)
	if err != nil || int64(len(text)) < from {
		return nil
	}
	return text[from:]
}

// running says whether the program has been started and not ended.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		return false
	default:
		return true
	}
}

// stop asks for the end in good order.
func (p *process) stop() error {
	if !p.running() {
		return errors.New("the server is not running")
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		p.cmd = nil
		if err != nil {
			return fmt.Errorf("the server ended badly: %w\n%s", err, p.logged(0))
		}
		return nil
	case <-time.After(stopLimit):
		return errors.New("the server does not end")
	}
}

// kill ends the program whether it wants to or not.
func (p *process) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill()
		p.ended <- <-p.ended // and keep what it says
	}
	p.cmd = nil
}

// killPostgres ends the server's PostgreSQL as a power cut would.
func (p *process) killPostgres() error {
	pid, err := postmasterOf(p.data)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// remove ends everything. A killed server's PostgreSQL ends by itself.
func (p *process) remove() {
	if p.running() && p.stop() != nil {
		p.kill()
	}
}
