"""One lab for a whole room: sharing it, and joining it."""
