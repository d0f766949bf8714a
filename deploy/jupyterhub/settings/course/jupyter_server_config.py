"""Lab shows the formgrader in a frame, which JupyterHub forbids unless told otherwise."""

c = get_config()  # noqa: F821  (Jupyter provides it)
c.ServerApp.tornado_settings = {"headers": {"Content-Security-Policy": "frame-ancestors 'self'"}}
