"""What moorage runs in the notebook's process, or in a plain script: the cluster controller and its parts.

Nothing here needs IPython or a notebook.
"""
