"""The book: the executed lessons with their figures, and the pages beside them, as a static site."""
