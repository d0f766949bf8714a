"""JupyterHub for this course on one machine. `make` in this folder installs what it needs and starts it.

Accounts of the operating system are accounts of the hub, and so are two of its groups:

nbgrader-pixelwise   students
formgrade-pixelwise  instructors: they alone enter the course's own server, where the formgrader is

The course (solutions, gradebook, submissions) belongs to an account that nobody signs in to. Its server is a
service of the hub, so that several instructors share one gradebook.
"""

import grp
import os
from pathlib import Path

c = get_config()  # noqa: F821  (JupyterHub provides it)

here = Path(__file__).resolve().parent
environment = Path(os.environ["PIXELWISE_ENVIRONMENT"])
state = Path(os.environ["PIXELWISE_STATE"])
course = Path(os.environ["PIXELWISE_COURSE"])
shared = {
    "NBGRADER_EXCHANGE": os.environ["NBGRADER_EXCHANGE"],
    # A terminal's python is the notebook's, where no login shell sets another PATH: see settings/everyone.
    "PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
}
server = [str(environment / "bin" / "python"), "-m", "jupyterhub.singleuser"]

STUDENTS, INSTRUCTORS = "nbgrader-pixelwise", "formgrade-pixelwise"


def settings(folder: str) -> dict[str, str]:
    """Jupyter settings that come before those of all servers; see settings/."""
    return {"JUPYTER_CONFIG_PATH": str(environment / "etc" / folder)}


# ---- the hub ----------------------------------------------------------------------------------------------

# A hub that is seen from outside needs HTTPS: see the README.
c.JupyterHub.bind_url = os.environ["PIXELWISE_URL"]
c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.ConfigurableHTTPProxy.command = [str(here / "node_modules" / ".bin" / "configurable-http-proxy")]
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")

# ---- who may do what --------------------------------------------------------------------------------------


def groups_of_the_system(authenticator, handler, account):
    """At each sign-in, the hub learns the groups of the account."""
    name = account["name"]
    account["groups"] = [group for group in (STUDENTS, INSTRUCTORS) if name in grp.getgrnam(group).gr_mem]
    return account


c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {STUDENTS, INSTRUCTORS}
c.Authenticator.manage_groups = True
c.Authenticator.post_auth_hook = groups_of_the_system

enter_the_course = "access:services!service=pixelwise"
c.JupyterHub.load_roles = [
    {"name": "instructor", "groups": [INSTRUCTORS], "scopes": [enter_the_course]},
    # What a token in a user's own server may do, as far as its owner may. The course list needs the last.
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", enter_the_course]},
]

# ---- everyone's own server --------------------------------------------------------------------------------

c.Spawner.cmd = server
c.Spawner.environment = shared
c.Spawner.default_url = "/lab"
c.Spawner.http_timeout = c.Spawner.start_timeout = 120  # seconds; the first of many on a cold disk is slow
c.Spawner.group_overrides = {
    "instructors": {"groups": [INSTRUCTORS], "spawner_override": {"environment": settings("instructor")}}
}

if Path("/run/systemd/system").is_dir():
    c.JupyterHub.spawner_class = "systemd"
    c.SystemdSpawner.mem_limit = "3G"  # problem set 5 trains a network: 1 GB and what Lab and the kernel take
    c.SystemdSpawner.cpu_limit = 2.0  # cores
    c.SystemdSpawner.unit_extra_properties = {"TasksMax": "256"}  # processes and threads
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.disable_user_sudo = True
else:
    c.JupyterHub.spawner_class = "localprocess"  # without limits

# ---- the course's server ----------------------------------------------------------------------------------

c.JupyterHub.services = [
    {
        "name": "pixelwise",
        "url": f"http://127.0.0.1:{os.environ['PIXELWISE_COURSE_PORT']}",
        "command": [*server, f"--ServerApp.root_dir={course}"],
        "user": course.owner(),
        "cwd": str(course),
        "environment": {**shared, **settings("course"), "JUPYTERHUB_DEFAULT_URL": "/lab"},
        "oauth_no_confirm": True,
    }
]
