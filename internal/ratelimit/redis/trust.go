package redis

import (
	"crypto/x509"
	"errors"

	"github.com/redis/go-redis/v9"
)

var (
	errNoCertificate = errors.New("the file of ratelimit.redis.ca_file has no certificate")
	errNotTLS        = errors.New("ratelimit.redis.ca_file is of no use without a URL of rediss://")
)

// trust has the certificate of Redis verified under an authority of its own.
func trust(options *redis.Options, ca []byte) error {
	if ca == nil {
		return nil
	}
	if options.TLSConfig == nil {
		return errNotTLS
	}
	options.TLSConfig.RootCAs = x509.NewCertPool()
	if !options.TLSConfig.RootCAs.AppendCertsFromPEM(ca) {
		return errNoCertificate
	}
	return nil
}
