"""The figures of the page, one file each: `draw(study)` gives a picture or None."""
