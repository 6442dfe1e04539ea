"""What moorage runs inside worker processes.

Shipped by value to workers that have no moorage installed, so it stays small and imports nothing above it.
"""
