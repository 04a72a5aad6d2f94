"""One file per experiment: `--config=configs/<name>.py:<variant>`."""
