"""Lab shows formgrader as a page within its page, which a server on the Hub forbids by default.

It is allowed for pages of the Hub's own address, and for an instructor's server alone. Such a page could only be a
server of somebody else, and nobody looks into another's (`jupyterhub_config.py`).
"""

c = get_config()  # noqa: F821 - Jupyter's loader provides it

c.ServerApp.tornado_settings = {"headers": {"Content-Security-Policy": "frame-ancestors 'self'"}}
