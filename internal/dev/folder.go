package dev

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/doctor"
)

// folder is where a development server keeps what nobody has to type: files
// that only its owner can read.
type folder string

func openFolder(path string) (folder, error) {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // PostgreSQL's own account passes through; the files are private
		return "", fmt.Errorf("making the data directory: %w", err)
	}
	return folder(path), nil
}

// fillSecrets completes a configuration with the key made at the first start,
// which stays version 1 when others are configured.
func (f folder) fillSecrets(c *config.Config) error {
	if slices.ContainsFunc(c.EncryptionKeys(), func(k config.EncryptionKey) bool { return k.Version == 1 }) {
		return nil
	}
	if _, err := f.read(keyFile); errors.Is(err, fs.ErrNotExist) && c.HasEncryption() {
		return nil
	}
	text, err := f.secret(keyFile)
	if err != nil {
		return err
	}
	c.SecretKeyText = config.Secret(text)
	return nil
}

// keyFile has the encryption key of version 1.
const keyFile = "secret.key"

// FillSecrets completes a configuration with the secrets of a development server
// that has run before.
func FillSecrets(c *config.Config) error { return folder(c.Database.DataDir).fillSecrets(c) }

// Made returns what is wrong with a configuration that is not for development:
// it has the key that a development server made for itself in the data
// directory, which lies there for whoever works on the machine.
func Made(c *config.Config) []config.Problem {
	text, err := folder(c.Database.DataDir).read(keyFile)
	if c.Environment == config.Development || err != nil {
		return nil
	}
	made, err := config.DecodeKey(strings.TrimSpace(text))
	if err != nil {
		return nil
	}
	var problems []config.Problem
	for _, k := range c.EncryptionKeys() {
		if key, err := k.Bytes(); err == nil && subtle.ConstantTimeCompare(key, made) == 1 {
			problems = append(problems, config.Problem{
				Place: k.Place, Key: fmt.Sprintf("encryption key %d", k.Version),
				Detail: fmt.Sprintf("is the one that fluxbase dev has made in %s: make one with openssl rand -hex 32; %s refuses it", c.Database.DataDir, c.Environment),
			})
		}
	}
	return problems
}

// secret returns the content of a file, which is 32 random bytes in
// hexadecimal if it was not there.
func (f folder) secret(name string) (string, error) {
	text, err := f.read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimSpace(text), err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	text = hex.EncodeToString(raw)
	return text, f.write(name, text+"\n")
}

// keyTexts are the keys that a development server prints at every start.
type keyTexts struct {
	Client  string `json:"client_key"`
	Service string `json:"service_key"`
}

// keys returns the keys of the folder. They are made at the first start, and
// again when the database no longer knows them.
func (f folder) keys(ctx context.Context, keeper *apikey.Keeper) (keyTexts, error) {
	var k keyTexts
	text, err := f.read("keys.json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &k)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("reading keys.json of the data directory: %w", err)
	}
	before := k
	for text, kind := range map[*string]apikey.Kind{&k.Client: apikey.Client, &k.Service: apikey.Service} {
		_, err := keeper.Verify(ctx, *text)
		if errors.Is(err, apikey.ErrInvalid) {
			var made apikey.Made
			made, err = keeper.Create(ctx, kind, apikey.New{Name: doctor.DevelopmentName}, audit.Actor{})
			*text = made.Text
		}
		if err != nil {
			return k, fmt.Errorf("making the development keys: %w", err)
		}
	}
	if k == before {
		return k, nil
	}
	encoded, err := json.Marshal(k)
	if err != nil {
		return k, fmt.Errorf("encoding the development keys: %w", err)
	}
	return k, f.write("keys.json", string(encoded)+"\n")
}

// runningFile says where the server of a folder is, for as long as it runs.
const runningFile = "running.json"

// ErrNotRunning means that no development server runs on a folder.
var ErrNotRunning = errors.New("no development server is running")

// Running returns where the server of a data directory is. It returns
// ErrNotRunning.
func Running(dataDir string) (Ready, error) {
	var r Ready
	text, err := folder(dataDir).read(runningFile)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%w on the folder %s; start one with: fluxbase dev (or name its folder: --data-dir)", ErrNotRunning, dataDir)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading where the server is: %w", err)
	}
	return r, nil
}

func (f folder) announce(r Ready) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding where the server is: %w", err)
	}
	return f.write(runningFile, string(text)+"\n")
}

func (f folder) withdraw() { _ = os.Remove(filepath.Join(string(f), runningFile)) }

func (f folder) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(f), name)) //nolint:gosec // names of ours in a folder that the operator chose
	if err != nil {
		return "", fmt.Errorf("reading the data directory: %w", err)
	}
	return string(text), nil
}

// write replaces a file in one step, so that a crash leaves the old or the new.
// It writes to a file that was not there before, so that nobody's link is
// followed.
func (f folder) write(name, text string) error {
	file, err := os.CreateTemp(string(f), name+".*")
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(string(f), name))
	}
	if err != nil {
		return fmt.Errorf("writing to the data directory: %w", err)
	}
	return nil
}
