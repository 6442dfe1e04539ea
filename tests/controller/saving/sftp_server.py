"""A server of files by SFTP, for a test: ``python sftp_server.py PORT FOLDER [DIES_IN]``; it prints its port.

`DIES_IN`: the end of a file's name. When that is written to, half of what is sent is written, and the server dies.
"""

import asyncio
import os
import sys

import asyncssh

port, folder, *dies_in = sys.argv[1:]


class Open(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username):
        return False


class Files(asyncssh.SFTPServer):
    """The files of the folder."""

    def __init__(self, channel):
        super().__init__(channel, chroot=folder)

    def write(self, file_obj, offset, data):
        if dies_in and file_obj.name.endswith(os.fsencode(dies_in[0])):
            super().write(file_obj, offset, data[: len(data) // 2])
            file_obj.flush()
            os._exit(1)
        return super().write(file_obj, offset, data)


async def serve():
    keys = [asyncssh.generate_private_key("ssh-ed25519")]
    server = await asyncssh.listen(
        "127.0.0.1", int(port), reuse_address=True, server_factory=Open, server_host_keys=keys, sftp_factory=Files
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()


asyncio.run(serve())
