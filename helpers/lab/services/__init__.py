"""The services of the lab, one module each, and the table of them."""
