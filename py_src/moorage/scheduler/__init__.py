"""What moorage runs inside the scheduler process: the plugin that holds the placements and the memory policy.

Shipped by value to schedulers that have no moorage installed, so it stays small and imports nothing above it.
"""
