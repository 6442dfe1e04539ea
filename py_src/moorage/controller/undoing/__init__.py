"""Taking back what was done last: the record of how things were, and the verb ``undo``."""
