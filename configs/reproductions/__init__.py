"""Published results, run again at a laptop's size; one file each."""
