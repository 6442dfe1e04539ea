"""The notebook's faces of moorage: magics, display, the panel's comms, widgets.

The only package that imports IPython, ipywidgets or comm.
"""
