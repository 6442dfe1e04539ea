"""Tools for assistants, by the Model Context Protocol: for the clusters of the notebooks that are open.

Package ``jupyter_server_mcp`` serves them: it finds `TOOLS` by the entry point group ``jupyter_server_mcp.tools``. Some
look (``tools``), others change something when the user has agreed in the panel (``changing``). They
run in the process of the Jupyter server, and ask the notebooks' kernels as the panel does (``kernels``), on
a comm that may only look and propose. Nothing else imports this.
"""

_LOOKING = [f"tools:moorage_{name}" for name in ("clusters", "placement", "memory", "why")]
_CHANGING = [f"changing:moorage_{name}" for name in ("pin", "broadcast", "release", "scale")]
TOOLS = [f"{__name__}.{name}" for name in _LOOKING + _CHANGING]
