"""The tables of the page, a file each: `draw(study)` is HTML, "" if empty."""
