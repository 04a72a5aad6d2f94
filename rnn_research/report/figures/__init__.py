"""The figures of the page, a file each: `draw(study)` is a picture or None."""
