"""A placed value as it is written once: its format, the memory it lies in, and its parts."""
