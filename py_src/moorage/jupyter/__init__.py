"""The notebook's faces of moorage, and the only package that imports IPython, ipywidgets or comm.

* ``extension``  what ``%load_ext moorage`` does
* ``magics``     ``%cluster``, ``%pin``, ``%%submit`` and the others
* ``panel``      the kernel's end of the panel
* ``board``      the panel as a widget
* ``display``, ``results_view``  what is shown as the output of a cell
* ``binding``    the notebook's variable for a cluster
* ``ipython``    the boundary to undocumented parts of IPython and ipykernel

The panel itself is in ``labextension/``. Imported by nothing.
"""
