"""The catalogue of models, one short file each: `symfuse zoo` lists and runs them."""
