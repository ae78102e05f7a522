package main

import (
	"strings"
)

// archiveChecks are of provider archives (4.7).
var archiveChecks = []check{
	{"par.gz", "4.7", "a compressed archive is read", func(s *suite) (string, error) {
		return s.archived(archive{mark: "gz", rev: 1, gzip: true}, "gz.par.gz")
	}},
	{"par.rev", "4.7", "a released-again archive with the same revision brings its new executable",
		func(s *suite) (string, error) {
			key := newKey(kindProvider)
			for _, mark := range []string{"one", "two"} {
				if _, err := s.archived(archive{key: key, mark: mark, rev: 3}, "rev-"+mark+".par"); err != nil {
					return "", err
				}
			}
			return "", nil
		}},
	{"par.hash", "4.7", "an executable whose hash is not the one in the claims is refused",
		func(s *suite) (string, error) {
			return s.archiveFails("hash.par",
				archive{claims: func(c object) { c["target_hashes"] = object{target(): strings.Repeat("0", 64)} }}, "")
		}},
	{"par.signature", "10.6 #16", "claims with a wrong signature are refused", func(s *suite) (string, error) {
		return s.archiveFails("signature.par", archive{token: func(t string) string {
			return t[:len(t)-10] + map[bool]string{true: "B", false: "A"}[t[len(t)-10] == 'A'] + t[len(t)-9:]
		}}, "")
	}},
	{"par.target", "4.7", "an archive for other machines is refused", func(s *suite) (string, error) {
		return s.archiveFails("target.par", archive{target: "pdp11-unix"}, "not found")
	}},
	{"par.bare", "4.7", "an archive without an executable is refused", func(s *suite) (string, error) {
		return s.archiveFails("bare.par", archive{bare: true}, "")
	}},
}

// archived starts a provider from an archive, looks at its mark, and stops it.
func (s *suite) archived(a archive, name string) (string, error) {
	if a.key == "" {
		a.key = newKey(kindProvider)
	}
	data, err := a.build(s.account)
	if err != nil {
		return "", err
	}
	path, err := s.file(name, data)
	if err != nil {
		return "", err
	}
	h := &helper{key: a.key, link: "default", ref: "file://" + path}
	if err := s.launch(h); err != nil {
		return "", err
	}
	var p problems
	p.want(strings.TrimSpace(h.told.Mark) == a.mark, "the executable that runs is %q, not %q", h.told.Mark, a.mark)
	mark := s.events.mark()
	if err := s.do(s.cmd("sp"), object{"provider_ref": a.key, "link_name": "default", "contract_id": probeContract,
		"host_id": s.host()}); err != nil {
		return "", err
	}
	if _, err := s.event(mark, eventTime, "provider_stopped", object{"public_key": a.key}); err != nil {
		p.addf("%v", err)
	}
	return "", p.err()
}

// archiveFails starts a provider from an archive that must be refused.
func (s *suite) archiveFails(name string, a archive, words string) (string, error) {
	a.key, a.rev = newKey(kindProvider), 1
	data, err := a.build(s.account)
	if err != nil {
		return "", err
	}
	path, err := s.file(name, data)
	if err != nil {
		return "", err
	}
	return s.providerFails("file://"+path, words)
}
