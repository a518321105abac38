"""Training: what modules do with data. The names that users need are those of `symfuse.nn`."""
