"""One scene made many times: for many seeds, and for every choice of its other options."""
