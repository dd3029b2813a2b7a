"""Live figures, the operations dashboard, and diagrams for the lessons."""
