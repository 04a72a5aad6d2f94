"""The mains: `python -m experiments.<name>` from the checkout."""
