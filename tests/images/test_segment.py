"""Segments between real processes: who can map them, who cannot, and what is left when processes are killed."""

import fcntl
import mmap
import os
import signal
import subprocess
import sys

import pytest

from moorage.images.room import SegmentError
from moorage.images.segment import HEADER, Handle, Segment, attach, handle_of, sweep
from tests.helpers import eventually
from tests.images.other import Other

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

CONTENT = bytes(range(256)) * 4096  # 1 MiB

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs to become another user")


@pytest.fixture(scope="module")
def other():
    with Other() as process:
        yield process


@pytest.fixture(params=["memfd", "file"])
def directory(request, tmp_path):
    return None if request.param == "memfd" else str(tmp_path)


def written(content=CONTENT, **options):
    segment = Segment(len(content), **options)
    segment.write([(0, memoryview(content))], len(content))
    return segment


def shared_memory():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Shmem:"))


def test_another_process_reads_what_was_written(other, directory):
    segment = written(directory=directory)
    other("attach", segment.handle)
    assert other("read") == CONTENT
    other("drop")


def test_parts_lie_at_their_offsets():
    segment = Segment(10_000)
    segment.write([(64, memoryview(b"one")), (4096, memoryview(b"two")), (9000, memoryview(b""))], 10_000)
    mapping = attach(segment.handle)
    assert bytes(mapping.memory[64:67]) == b"one"
    assert bytes(mapping.memory[4096:4099]) == b"two"
    assert mapping.memory.nbytes == 10_000


def test_a_killed_writer_leaves_no_byte_behind():
    before = shared_memory()
    with Other() as process:
        size = 64 << 20
        handle = process("write", bytes(size))
        assert shared_memory() - before > size // 2
        process.kill()
    with pytest.raises(SegmentError):
        attach(handle)
    eventually(lambda: shared_memory() - before < size // 2)


def test_what_is_mapped_outlives_its_writer_and_can_be_mapped_from_there(other):
    with Other() as process:
        theirs = other("attach", process("write", CONTENT))
    assert other("read") == CONTENT
    assert bytes(attach(theirs).memory) == CONTENT
    other("drop")
    with pytest.raises(SegmentError):
        attach(theirs)


def test_the_next_holder_is_tried_when_one_is_gone(other):
    segment = written()
    theirs = other("attach", segment.handle)
    both = Handle(segment.handle.nonce, segment.handle.nbytes, (*segment.handle.paths, *theirs.paths))
    segment.close()
    assert bytes(attach(both).memory) == CONTENT
    other("drop")


@pytest.mark.parametrize("reusable", [True, False])
def test_nobody_can_change_or_shrink_it(reusable):
    segment = written(reusable=reusable)
    path = segment.handle.paths[0]
    for fd in (segment.fd, os.open(path, os.O_RDWR)):
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", HEADER)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
        with pytest.raises(PermissionError):
            mmap.mmap(fd, HEADER)
    memory = attach(segment.handle).memory
    assert memory.readonly
    with pytest.raises(TypeError):
        memory[0] = 1
    assert bytes(memory) == CONTENT


def test_an_unsealed_memfd_is_refused():
    fd = os.memfd_create("moorage-" + "0" * 32, os.MFD_ALLOW_SEALING)
    segment = written()
    os.pwrite(fd, os.pread(segment.fd, HEADER + len(CONTENT), 0), 0)
    handle = segment.handle._replace(paths=(f"/proc/{os.getpid()}/fd/{fd}",))
    with pytest.raises(SegmentError, match="not sealed"):
        attach(handle)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    assert bytes(attach(handle).memory) == CONTENT
    os.close(fd)


def test_a_number_that_means_something_else_by_now_is_not_opened():
    segment, another = written(), written(bytes(len(CONTENT)))
    reading, writing = os.pipe()
    gone = f"/proc/{os.getpid()}/fd/{reading}"  # to open it would wait for somebody who writes
    for path in (another.handle.paths[0], gone, "/proc/1/fd/999999"):
        with pytest.raises(SegmentError):
            attach(segment.handle._replace(paths=(path,)))
    os.close(reading)
    os.close(writing)


@as_root
def test_another_user_cannot_map_it(directory):
    segment = written(directory=directory)
    with Other(uid=65534) as process, pytest.raises(OSError, match="Permission denied"):
        process("attach", segment.handle)


def test_no_room_is_an_error_and_no_signal(tmp_path):
    if os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("needs to mount a small file system")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from moorage.images.segment import Segment\n"
        "import os, errno\n"
        "try: Segment(8 << 20, directory=sys.argv[2])\n"
        "except OSError as error: assert error.errno == errno.ENOSPC, error\n"
        "else: raise SystemExit('it fits')\n"
        "assert not os.listdir(sys.argv[2])\n"
    )
    source = os.path.dirname(os.path.dirname(sys.modules["moorage"].__file__))
    mount = f'mount -t tmpfs -o size=4m tmpfs {tmp_path} && exec "$0" -c "$1" "$2" {tmp_path}'
    subprocess.run(["unshare", "-m", "sh", "-c", mount, sys.executable, program, source], check=True, timeout=60)


def test_descriptors_are_left_for_others():
    with Other() as process:
        process("limit_fds", 200)
        segment = written()
        with pytest.raises(SegmentError, match="file descriptors of this process run out: it may have 200"):
            process("attach_often", segment.handle, 200)
        assert process("fds") < 150
        process("drop")
        process("attach", segment.handle)


def test_a_soft_limit_is_raised():
    program = (
        "import resource\n"
        "from moorage.images.segment import Segment, attach\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))\n"
        "segment = Segment(100); segment.write([], 100)\n"
        "held = [attach(segment.handle) for _ in range(300)]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_memory_and_descriptors_go_with_the_last_view(other):
    segment = written()
    before = len(os.listdir("/proc/self/fd"))
    view = attach(segment.handle).memory[:100]
    assert handle_of(view).nonce == segment.handle.nonce
    assert not segment.is_free()
    assert bytes(view) == CONTENT[:100]
    del view
    assert len(os.listdir("/proc/self/fd")) <= before  # others of this process may have gone meanwhile
    assert segment.is_free()


def test_it_is_not_free_while_a_forked_child_of_a_reader_lives(other):
    segment = written(reusable=True)
    other("attach", segment.handle)
    child = other("fork")
    other("drop")
    assert not segment.is_free()
    os.kill(child, signal.SIGKILL)
    eventually(segment.is_free)


def test_written_again_it_is_another(other):
    segment = written(reusable=True)
    old = segment.handle
    assert segment.is_free()
    segment.write([(0, memoryview(b"new" * 1000))], 3000)
    with pytest.raises(SegmentError, match="written again"):
        attach(segment.handle)
    segment.release_lock()
    assert bytes(attach(segment.handle).memory) == b"new" * 1000
    with pytest.raises(SegmentError, match="something else"):
        attach(old)
    other("attach", segment.handle)
    assert other("read") == b"new" * 1000
    other("drop")


def test_the_last_holder_removes_the_file(tmp_path, other):
    segment = written(directory=str(tmp_path))
    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o600"]
    other("attach", segment.handle)
    segment.close()
    assert list(tmp_path.iterdir())
    other("drop")
    assert not list(tmp_path.iterdir())


def test_files_that_nobody_removed_are_swept(tmp_path):
    kept = written(directory=str(tmp_path))
    with Other() as process:
        process("write", CONTENT, str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    assert sweep(str(tmp_path)) == 1
    assert [str(path) for path in tmp_path.iterdir()] == [kept.file]
