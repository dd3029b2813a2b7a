"""One lab for many learners: sharing it, and joining it."""
