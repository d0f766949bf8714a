"""Kernels from the sandbox, for jupyter_client: a provisioner, and a kernel manager that uses it."""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase

from .outside import SubmissionProcess, Zygote

_CHANNELS = ("shell", "iopub", "stdin", "hb", "control")


class SandboxProvisioner(KernelProvisionerBase):
    """Forks a kernel from `zygote`, with the files of the tar archive `files` in its working folder.

    The channels are Unix sockets in a private folder. They are made here and handed over, so that the sandbox
    shares no folder with the outside.
    """

    zygote: Zygote
    files: bytes = b""
    process: SubmissionProcess | None = None
    _folder: tempfile.TemporaryDirectory | None = None

    @property
    def has_process(self) -> bool:
        return self.process is not None and self.process.handle is not None

    async def pre_launch(self, **settings: Any) -> dict[str, Any]:
        manager = self.parent
        self._folder = tempfile.TemporaryDirectory(prefix="grading-")
        manager.transport, manager.cache_ports = "ipc", False
        manager.ip = str(Path(self._folder.name, "s"))
        manager.connection_file = str(Path(self._folder.name, "connection.json"))
        for number, name in enumerate(_CHANNELS, 1):
            setattr(manager, f"{name}_port", number)
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=[], **settings)

    async def launch_kernel(self, cmd: list[str], **settings: Any) -> dict[str, Any]:
        connection = dict(self.connection_info, key=self.connection_info["key"].decode())
        listening = []
        try:
            for number in range(1, len(_CHANNELS) + 1):
                listening.append(socket.socket(socket.AF_UNIX))
                listening[-1].bind(f"{connection['ip']}-{number}")
                listening[-1].listen(16)
            self.process = self.zygote.fork(connection, listening, self.files)
        finally:
            for one in listening:
                one.close()
        return self.connection_info

    async def poll(self) -> int | None:
        return None if self.process and self.process.alive() else 1

    async def wait(self) -> int | None:
        while self.process and self.process.alive():
            await asyncio.sleep(0.01)
        return 1

    async def send_signal(self, signum: int) -> None:
        if self.process:
            self.process.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        if self.process:
            self.process.kill()

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        await self.kill()
        if self._folder:
            self._folder.cleanup()
            self._folder = None


class SubmissionKernelManager(AsyncKernelManager):
    """A kernel manager whose kernels come from the sandbox, whatever the notebook's kernelspec says."""

    def use(self, zygote: Zygote, files: bytes) -> None:
        self.provisioner = SandboxProvisioner(
            kernel_id=self.kernel_name, kernel_spec=self.kernel_spec, parent=self
        )
        self.provisioner.zygote, self.provisioner.files = zygote, files

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(display_name="Submission", language="python", interrupt_mode="signal")
