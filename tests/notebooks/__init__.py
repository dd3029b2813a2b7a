"""Every lesson, read as a document (``anatomy``) and run as a program (``execution``)."""
