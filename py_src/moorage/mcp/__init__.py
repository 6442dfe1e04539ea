"""Tools for assistants, by the Model Context Protocol: they look at the clusters of the notebooks that are open.

Package ``jupyter_server_mcp`` serves them: it finds `TOOLS` by the entry point group ``jupyter_server_mcp.tools``. They
run in the process of the Jupyter server (``tools``), and ask the notebooks' kernels as the panel does (``kernels``), on
a comm that may only look. Nothing else imports this.
"""

TOOLS = [f"{__name__}.tools:moorage_{name}" for name in ("clusters", "placement", "memory", "why")]
