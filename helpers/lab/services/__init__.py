"""The services of the lab, one module each."""
