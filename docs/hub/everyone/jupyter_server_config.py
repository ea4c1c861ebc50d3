"""Settings of everybody's server on the Hub."""

c = get_config()  # noqa: F821 - Jupyter's loader provides it

# Not a login shell, which would set PATH anew and lose `specdec` and `nbgrader`.
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}

# A kernel sends what it runs and shows through a port of the machine, and any user of the machine could listen in.
# Encrypted, only those who can read the kernel's file in its owner's home.
c.KernelManager.transport_encryption = "required"

# Memory comes back: a kernel with torch ends after an hour in which it ran nothing, a server after two.
c.MappingKernelManager.cull_idle_timeout = 3600
c.MappingKernelManager.cull_interval = 300
c.ServerApp.shutdown_no_activity_timeout = 7200
