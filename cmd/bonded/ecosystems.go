package main

import (
	"bonded/internal/door"
	"bonded/internal/ecosystem/maven"
	"bonded/internal/registry"
)

// formats are the rules of the ecosystems that this binary serves.
func formats() []registry.Format {
	return []registry.Format{maven.NewFormat()}
}

// doors are their protocols.
func doors(h *door.House) []door.Door {
	return []door.Door{maven.NewDoor(h)}
}
