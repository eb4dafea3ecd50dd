package digest

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

const word = "correct hörse"

// digests are of word, unless they say otherwise, made by other implementations.
var digests = []struct{ name, text, password string }{
	// bcrypt 5.0.0 of Python
	{"bcrypt 2a", "$2a$04$BuesMOCwIgAnKpaJ7W4I4up1nHGVpo0.fOYFs6sBtZ8DiNLxkIdG.", word},
	{"bcrypt 2b", "$2b$04$83V3BvzCpqBCLovQLinK3eAyk/GAkkKvmdhKmnM1S2DgBsE80eOwe", word},
	{"bcrypt 2y", "$2y$04$83V3BvzCpqBCLovQLinK3eAyk/GAkkKvmdhKmnM1S2DgBsE80eOwe", word}, // as PHP names 2b
	{"bcrypt of 72 bytes", "$2b$04$iDH9JNb8.1HOwUbcTsrBsOc67eJ3YvB2sf8Km4Jv3qBWR3j9iIeIS", strings.Repeat("x", 72)},
	// argon2-cffi 25.1.0, which is the reference implementation
	{"argon2id", "$argon2id$v=19$m=256,t=2,p=2$c2l4dGVlbiBieXRlcyBvZg$yhNAamtZ4jLAq6b6IWhA/r7u3kBFu/cvAxNeYR6NdNo", word},
	{"argon2i", "$argon2i$v=19$m=256,t=2,p=2$c2l4dGVlbiBieXRlcyBvZg$wig1hPTpv7/wP0JoNqDmZpTWgh2P7QPUqwpKVuaMlpk", word},
	// RFC 7914, section 12, written as a PHC string
	{"scrypt of the RFC", "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA", "password"},
	{"scrypt of the RFC, larger", "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw", "pleaseletmein"},
	{"scrypt", "$scrypt$ln=10,r=8,p=2$GKO09r7XmjPm3FsrZQwBIA$B3a8+MC5P0v9t8DyEqxlVAJ00M5SFRdwKWFZ3UuRsXc", word}, // passlib 1.7.4
	// the example that Firebase publishes with its scrypt
	{"Firebase", "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", "user1password"},
	{"Firebase in the alphabet of URLs", "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA$42xEC-ixf3L2lw$lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ", "user1password"},
	{"Firebase with its separator in the salt", "$fbscrypt$v=1,n=14,r=8,p=1,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lwc=$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", "user1password"},
	// RFC 6070 and RFC 7914, section 11, written as PHC strings
	{"PBKDF2 of RFC 6070", "$pbkdf2-sha1$i=4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE", "password"},
	{"PBKDF2 of RFC 7914", "$pbkdf2-sha256$i=80000$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ", "Password"},
	// hashlib.pbkdf2_hmac of Python 3.11
	{"PBKDF2 SHA-1", "$pbkdf2-sha1$i=1000$c2l4dGVlbiBieXRlcyBvZg$pSQkYmJWUr4pk33WXDvdbleXz4nuamJJ2jEGY3x+1T4", word},
	{"PBKDF2 SHA-256", "$pbkdf2-sha256$i=1000,l=32$c2l4dGVlbiBieXRlcyBvZg$ql72WcKh8c7hbGBg4AWdfxllPl5A+NpNLGkJfVT/oLM", word},
	{"PBKDF2 SHA-512", "$pbkdf2-sha512$i=1000$c2l4dGVlbiBieXRlcyBvZg$GQMKpgJZdA93yE/8joKopOk4/5QyGWH5lPrVkD9ds9Y", word},
	// passlib 1.7.4
	{"PBKDF2 of passlib, SHA-1", "$pbkdf2$1000$u5fSGuM8p9TaO6dUipESQg$q8O1skLm/aVksX5.ja00/gYvd2Q", word},
	{"PBKDF2 of passlib, SHA-256", "$pbkdf2-sha256$1000$fK9VyllrTWnNGWPsfc.ZEw$KmpKrFwZTqaSnz7HeKby3/iOCjKJ8KddqV/BsROt11A", word},
	{"PBKDF2 of passlib, SHA-512", "$pbkdf2-sha512$1000$HqPUek8JAeA8ZwxBaA0B4A$9c.v5squtaMerR07KBZjz4hCgrhD/Y0DNfeiwbrfpOIQTWpwwHVsyyfT6Iyy.NdsBvNCFAbPw.mz5HuPrFUrOw", word},
	{"PBKDF2 of Django, SHA-256", "pbkdf2_sha256$1000$gZFQ5Lt7FCAM$0MaHgVbGWq8Dz5eaBrEgBcUeIqO78tSr50tJPUnIU5w=", word},
	{"PBKDF2 of Django, SHA-1", "pbkdf2_sha1$1000$Fy9aYYUXbDnC$K6IS0iWP6SOmYA5vcR/yKWGawE0=", word},
	{"SSHA", "{SSHA}p1qOxolkEYiX0c7XNGtsaIvo6I4EYAzB", word},
	{"SSHA in lower case", "{ssha}p1qOxolkEYiX0c7XNGtsaIvo6I4EYAzB", word},
	{"SSHA256", "{SSHA256}D1myxzvBa7zLH4Xl1RATBHNUonrRoMnVvQ48c3VFzcXkfI+RkjImBA==", word},
	{"SSHA512", "{SSHA512}9VDNjLplNPayo11qknlUd7wBhm0zoSLuEWmIFlZTAuB0/SUvVqrQYcKri78BqCcpqDMYrEY6aEPWLIZ22Vu8FM6ZMyYkZAzh", word},
	{"phpass", "$P$5gpLA00.OxI2/4DQNFeP9si91EaiKw1", word},
	{"phpass of phpBB", "$H$5pKnyHt8/BZrZRIMrRJh7RBhOi2f6W1", word},
}

func TestDigestsOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range digests {
		d, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !d.Matches(c.password, never) {
			t.Errorf("%s: the password does not match", c.name)
		}
		for _, other := range []string{"", c.password[:len(c.password)-1], strings.ToUpper(c.password), "y" + c.password} {
			if d.Matches(other, never) {
				t.Errorf("%s: %q matches too", c.name, other)
			}
		}
	}
}

// TestEveryBitCounts changes each part of a digest that is compared or goes into
// the computation.
func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"bcrypt 2b":                        {"Ayk/", "Byk/"},
		"argon2id":                         {"t=2", "t=3"},
		"argon2i":                          {"wig1", "wig2"},
		"scrypt":                           {"p=2", "p=1"},
		"Firebase":                         {"ss=Bw", "ss=Bg"},
		"PBKDF2 SHA-256":                   {"i=1000", "i=1001"},
		"PBKDF2 of Django, SHA-256":        {"FCAM", "fcam"},
		"PBKDF2 of passlib, SHA-512":       {"$HqPU", "$hqPU"},
		"SSHA256":                          {"D1my", "D2my"},
		"SSHA512":                          {"ZAzh", "ZAzi"},
		"phpass":                           {"$5gpL", "$6gpL"},
		"phpass of phpBB":                  {"W1", "W2"},
		"Firebase in the alphabet of URLs": {"sk=jxspr", "sk=jxspR"},
	} {
		for _, c := range digests {
			if c.name != name {
				continue
			}
			changed := strings.Replace(c.text, change[0], change[1], 1)
			if changed == c.text {
				t.Fatalf("%s: nothing to change", name)
			}
			if d, err := Parse(changed); err != nil || d.Matches(c.password, never) {
				t.Errorf("%s with %s for %s: %v, or it matches", name, change[1], change[0], err)
			}
		}
	}
}

// TestDigestsThatAreRefused has for each format what is malformed, and what asks
// for so much that a stranger's import could stop the server, or for so little
// that other passwords would match.
func TestDigestsThatAreRefused(t *testing.T) {
	t.Parallel()
	const salt, hash = "c2l4dGVlbiBieXRlcyBvZg", "ql72WcKh8c7hbGBg4AWdfxllPl5A+NpNLGkJfVT/oLM"
	const bcryptTail = "83V3BvzCpqBCLovQLinK3eAyk/GAkkKvmdhKmnM1S2DgBsE80eOwe"
	end := "$" + salt + "$" + hash
	long := strings.Repeat("A", 400)
	for _, text := range []string{
		"", "password", "$", "$$$$", "$1$abcdefgh$" + hash, "$6$rounds=5000$abc$def", "md5" + strings.Repeat("0", 32), "$argon2id$v=19$m=256,t=2,p=2" + end + strings.Repeat("=", 1000),
		// bcrypt
		"$2$04$" + bcryptTail, "$2x$04$" + bcryptTail, "$2b$03$" + bcryptTail, "$2b$17$" + bcryptTail, "$2b$31$" + bcryptTail, "$2b$4$" + bcryptTail,
		"$2b$04$" + bcryptTail[1:], "$2b$04$" + bcryptTail + "x", "$2b$04$" + bcryptTail[:52] + "!", "$2b$04$" + bcryptTail + "\n",
		// Argon2: memory, passes and both together; lanes; variants
		"$argon2id$v=19$m=262145,t=1,p=1" + end, "$argon2id$v=19$m=4294967295,t=1,p=1" + end, "$argon2id$v=19$m=262144,t=9,p=1" + end,
		"$argon2id$v=19$m=64,t=2147483647,p=1" + end, "$argon2id$v=19$m=64,t=0,p=1" + end, "$argon2id$v=19$m=0,t=1,p=1" + end,
		"$argon2id$v=19$m=64,t=1,p=0" + end, "$argon2id$v=19$m=256,t=1,p=17" + end, "$argon2id$v=19$m=15,t=1,p=2" + end, "$argon2id$v=19$m=256,t=1,p=256" + end,
		"$argon2d$v=19$m=256,t=2,p=2" + end, "$argon2id$v=16$m=256,t=2,p=2" + end, "$argon2id$m=256,t=2,p=2" + end, "$argon2id$v=19$t=2,m=256,p=2" + end,
		"$argon2id$v=19$m=256,t=2" + end, "$argon2id$v=19$m=256,t=2,p=2,data=AAAA" + end, "$argon2id$v=19$m=-1,t=2,p=2" + end, "$argon2id$v=19$m=+256,t=2,p=2" + end,
		"$argon2id$v=19$m=256,t=2,p=2$$" + hash, "$argon2id$v=19$m=256,t=2,p=2$" + salt + "$", "$argon2id$v=19$m=256,t=2,p=2$" + salt + "$AAAA",
		"$argon2id$v=19$m=256,t=2,p=2$" + salt + "$" + long, "$argon2id$v=19$m=256,t=2,p=2$" + long + "$" + hash, "$argon2id$v=19$m=256,t=2,p=2$!$" + hash,
		"$argon2id$v=19$m=256,t=2,p=2$" + salt + "$" + hash + "$", "$argon2id$v=19$m=256,t=2,p=2$" + salt + "\n$" + hash,
		// scrypt
		"$scrypt$ln=31,r=8,p=1" + end, "$scrypt$ln=19,r=8,p=1" + end, "$scrypt$ln=63,r=8,p=1" + end, "$scrypt$ln=0,r=8,p=1" + end, "$scrypt$ln=14,r=0,p=1" + end,
		"$scrypt$ln=14,r=65,p=1" + end, "$scrypt$ln=14,r=8,p=0" + end, "$scrypt$ln=14,r=8,p=17" + end, "$scrypt$ln=18,r=8,p=3" + end, "$scrypt$n=14,r=8,p=1" + end,
		"$scrypt$ln=14,r=8,p=1$" + salt + "$AAAA", "$scrypt$ln=14,r=8,p=1$" + salt, "$scrypt$ln=14,r=2147483647,p=1" + end,
		// Firebase: without a signer key, with one of another length, of another version
		"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==" + end, "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=" + end, "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA" + end,
		"$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk=" + hash + end, "$fbscrypt$v=1,n=20,r=8,p=1,ss=Bw==,sk=" + hash + end, "$fbscrypt$v=1,n=14,r=8,p=1,ss=!,sk=" + hash + end,
		"$fbscrypt$v=1,n=14,r=8,p=1,ss=" + long + ",sk=" + hash + end, "$fbscrypt$n=14,r=8,p=1,ss=Bw==,sk=" + hash + end,
		// PBKDF2: the iterations are gone through for each block of the output
		"$pbkdf2-sha256$i=0" + end, "$pbkdf2-sha256$i=5000001" + end, "$pbkdf2-sha1$i=2500001" + end, "$pbkdf2-sha256$i=4294967297" + end, "$pbkdf2-sha256$i=x" + end,
		"$pbkdf2-sha256$i=1000,l=31" + end, "$pbkdf2-md5$i=1000" + end, "$pbkdf2-$i=1000" + end, "$pbkdf2sha1$i=1000" + end, "$pbkdf2-sha256$i=1000$" + salt + "$AAAA",
		"pbkdf2_sha256$5000001$salt$" + hash, "pbkdf2_sha256$1000$$" + hash, "pbkdf2_sha256$1000$salt$AAAA", "pbkdf2_md5$1000$salt$" + hash, "pbkdf2_sha256$1000$" + hash,
		// SSHA without a salt, of another name, cut
		"{SSHA}p1qOxolkEYiX0c7XNGtsaIvo6I4=", "{SHA}p1qOxolkEYiX0c7XNGtsaIvo6I4=", "{SSHA}", "{SSHA", "{", "{}AAAA", "{CLEARTEXT}secret", "{SSHA}!", "{SSHA384}" + long, "{SSHA}" + long,
		// phpass
		"$P$1gpLA00.OxI2/4DQNFeP9si91EaiKw1", "$P$JgpLA00.OxI2/4DQNFeP9si91EaiKw1", "$P$zgpLA00.OxI2/4DQNFeP9si91EaiKw1", "$P$5gpLA00.OxI2/4DQNFeP9si91EaiKw",
		"$P$5gpLA00.OxI2/4DQNFeP9si91EaiKw1x", "$P$5gpLA00!OxI2/4DQNFeP9si91EaiKw1",
	} {
		d, err := Parse(text)
		if !errors.Is(err, ErrScheme) || d != nil {
			t.Errorf("%q: %v, %v", text, d, err)
		}
		if err != nil && len(text) > 12 && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the digest: %v", err)
		}
	}
}

// The largest that may be in use is not refused; nothing is computed here.
func TestDigestsAtTheBounds(t *testing.T) {
	t.Parallel()
	const end = "$c2l4dGVlbiBieXRlcyBvZg$ql72WcKh8c7hbGBg4AWdfxllPl5A+NpNLGkJfVT/oLM"
	for _, text := range []string{
		"$2b$16$83V3BvzCpqBCLovQLinK3eAyk/GAkkKvmdhKmnM1S2DgBsE80eOwe",
		"$argon2id$v=19$m=262144,t=8,p=16" + end, "$argon2id$v=19$m=102400,t=8,p=8" + end, "$argon2id$v=19$m=8,t=1,p=1" + end,
		"$scrypt$ln=18,r=8,p=2" + end, "$scrypt$ln=17,r=8,p=1" + end, "$scrypt$ln=13,r=8,p=10" + end,
		"$pbkdf2-sha256$i=5000000" + end, "$pbkdf2-sha1$i=2500000" + end, "pbkdf2_sha256$1500000$salt$ql72WcKh8c7hbGBg4AWdfxllPl5A+NpNLGkJfVT/oLM=",
		"$P$IgpLA00.OxI2/4DQNFeP9si91EaiKw1",
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

var cheap = map[string]Scheme{
	"bcrypt":   {Name: Bcrypt, Cost: 4},
	"argon2id": {Name: Argon2id, Memory: 64, Iterations: 2, Parallelism: 1},
}

func TestHash(t *testing.T) {
	t.Parallel()
	for name, s := range cheap {
		text, err := s.Hash(word, never)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Hash(word, never)
		if err != nil || again == text {
			t.Errorf("%s: twice the same digest, or %v", name, err)
		}
		d, err := Parse(text)
		if err != nil || !d.Matches(word, never) || d.Matches(word+"x", never) || !s.Made(d) {
			t.Errorf("%s: %s does not work: %v", name, text, err)
		}
	}
	for name, s := range map[string]Scheme{
		"no name": {}, "bcrypt of no cost": {Name: Bcrypt}, "bcrypt of days": {Name: Bcrypt, Cost: 31}, "unknown": {Name: "scrypt"}, "argon2id without lanes": {Name: Argon2id, Memory: 64, Iterations: 1},
		"argon2id of too much": {Name: Argon2id, Memory: 262145, Iterations: 1, Parallelism: 1}, "argon2id of nothing": {Name: Argon2id},
	} {
		if text, err := s.Hash(word, never); err == nil {
			t.Errorf("%s made %s", name, text)
		}
	}
	if _, err := cheap["bcrypt"].Hash(strings.Repeat("x", 73), never); err == nil {
		t.Error("bcrypt has cut a password")
	}
}

func TestMade(t *testing.T) {
	t.Parallel()
	bcrypt12 := Scheme{Name: Bcrypt, Cost: 12, Memory: 256, Iterations: 2, Parallelism: 2}
	argon := bcrypt12
	argon.Name = Argon2id
	const tail = "83V3BvzCpqBCLovQLinK3eAyk/GAkkKvmdhKmnM1S2DgBsE80eOwe"
	const salt, hash = "$c2l4dGVlbiBieXRlcyBvZg", "$yhNAamtZ4jLAq6b6IWhA/r7u3kBFu/cvAxNeYR6NdNo"
	for _, c := range []struct {
		text          string
		bcrypt, argon bool
	}{
		{"$2b$12$" + tail, true, false},
		{"$2y$12$" + tail, true, false},
		{"$2b$11$" + tail, false, false},
		{"$2b$13$" + tail, false, false},
		{"$argon2id$v=19$m=256,t=2,p=2" + salt + hash, false, true},
		{"$argon2i$v=19$m=256,t=2,p=2" + salt + hash, false, false},
		{"$argon2id$v=19$m=257,t=2,p=2" + salt + hash, false, false},
		{"$argon2id$v=19$m=256,t=1,p=2" + salt + hash, false, false},
		{"$argon2id$v=19$m=256,t=2,p=1" + salt + hash, false, false},
		{"$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ" + hash, false, false},
		{"$argon2id$v=19$m=256,t=2,p=2" + salt + "$c2l4dGVlbiBieXRlcyBvZg", false, false},
		{"{SSHA}p1qOxolkEYiX0c7XNGtsaIvo6I4EYAzB", false, false},
	} {
		d, err := Parse(c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if bcrypt12.Made(d) != c.bcrypt || argon.Made(d) != c.argon {
			t.Errorf("%s: %v, %v", c.text, bcrypt12.Made(d), argon.Made(d))
		}
	}
}

// FuzzParse looks for digests that make Parse or Matches panic, or that are let
// through with more work than is allowed.
func FuzzParse(f *testing.F) {
	for _, c := range digests {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrScheme) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		memory, steps := work(t, d)
		if memory > maxMemory || steps > 1<<31 {
			t.Fatalf("%q takes %d bytes and %d steps", text, memory, steps)
		}
		if steps < 1<<20 {
			d.Matches(word, never)
		}
	})
}

// work estimates what a verification takes: bytes of memory, and bytes gone over.
func work(t *testing.T, d Digest) (memory, steps uint64) {
	t.Helper()
	switch d := d.(type) {
	case bcryptDigest:
		return 8 << 10, 1 << (uint64(d.cost) + 14)
	case argon2Digest:
		memory = uint64(d.memory) << 10
		return memory, memory * uint64(d.iterations)
	case scryptDigest:
		memory = uint64(d.r) << (uint64(d.ln) + 7)
		return memory, 4 * memory * uint64(d.p)
	case firebaseDigest:
		return work(t, d.scryptDigest)
	case pbkdf2Digest:
		return 0, uint64(d.iterations) * uint64(d.blocks()) * 256
	case phpassDigest:
		return 0, 128 << uint64(d.cost)
	case sshaDigest:
		return 0, uint64(len(d.salt))
	}
	t.Fatalf("%T is not known here", d)
	return 0, 0
}

// never is a pause that is none.
func never() {}

// TestBcryptIsBcrypt compares digests with those of the well-known package, both
// ways, and counts the places at which the work can be interrupted.
func TestBcryptIsBcrypt(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "a", "correct horse", "größe", strings.Repeat("x", 72), "\xff\xfe"} {
		pauses := 0
		ours, err := Scheme{Name: Bcrypt, Cost: 5}.Hash(word, func() { pauses++ })
		if err != nil || pauses != 32 {
			t.Fatalf("%q: %d pauses, %v", word, pauses, err)
		}
		if err := bcrypt.CompareHashAndPassword([]byte(ours), []byte(word)); err != nil {
			t.Errorf("%q: ours is %s: %v", word, ours, err)
		}
		theirs, err := bcrypt.GenerateFromPassword([]byte(word), 4)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse(string(theirs))
		if err != nil || !d.Matches(word, never) || d.Matches(word+"y", never) && len(word) < 72 {
			t.Errorf("%q: theirs is %s: %v", word, theirs, err)
		}
	}
}
