package main

import (
	"bonded/internal/door"
	"bonded/internal/ecosystem/cargo"
	"bonded/internal/ecosystem/composer"
	"bonded/internal/ecosystem/maven"
	"bonded/internal/ecosystem/npm"
	"bonded/internal/ecosystem/pypi"
	"bonded/internal/registry"
)

// formats are the rules of the ecosystems that this binary serves.
func formats() []registry.Format {
	return []registry.Format{cargo.NewFormat(), composer.NewFormat(), maven.NewFormat(), npm.NewFormat(), pypi.NewFormat()}
}

// doors are their protocols.
func doors(h *door.House) []door.Door {
	return []door.Door{cargo.NewDoor(h), composer.NewDoor(h), maven.NewDoor(h), npm.NewDoor(h), pypi.NewDoor(h)}
}
