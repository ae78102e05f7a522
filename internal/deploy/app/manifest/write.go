package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/shape"
)

// YAML writes the application in our own format; Parse reads it as the same. A version that was made of the content is
// left out, since it is made again.
func (a *App) YAML() ([]byte, error) { return shape.Encode(a.node(a.Version == a.contentVersion())) }

// node is the application as YAML.
func (a *App) node(unversioned bool) *yaml.Node {
	app := *a
	if unversioned {
		app.Version = ""
	}
	app.Actors, app.Providers = slices.Clone(a.Actors), slices.Clone(a.Providers)
	for i := range app.Actors { // what is not counted is not written
		if x := &app.Actors[i]; x.Each > 0 || x.Scale != nil {
			x.Replicas = actorBlank().Replicas
		}
	}
	for i := range app.Providers {
		if x := &app.Providers[i]; x.Each > 0 {
			x.Replicas = providerBlank().Replicas
		}
	}
	return document.Write(app)
}

// Digest is that of the content, "sha256:...", whatever format it was read from; the version does not count, nor does
// the order of maps.
func (a *App) Digest() string {
	text, err := json.Marshal(shape.Plain(a.node(true)))
	if err != nil {
		panic(err) // text, numbers and truths
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// contentVersion is the version of an application that names none.
func (a *App) contentVersion() Version {
	return Version(a.Digest()[len("sha256:"):][:12])
}

// Schema is the JSON Schema (draft 2020-12) of our own format. It describes the form; what depends on several fields,
// or on the providers, Parse alone knows.
func Schema() []byte {
	schema := document.Schema
	text, err := json.MarshalIndent(shape.Schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "An application of weft",
		"type": "object", "properties": schema["properties"], "required": schema["required"],
		"additionalProperties": false, "$defs": shape.Schema{"plain": plainSchema},
	}, "", "  ")
	if err != nil {
		panic(err) // made of text, numbers and truths
	}
	return append(text, '\n')
}
