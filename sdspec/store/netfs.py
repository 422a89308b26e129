"""Which file system a path lies on, and whether other machines may write to it too."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists the mounts; elsewhere it is missing and no file system is known."""

# Names as the kernel gives them. SQLite's WAL needs shared memory between all writers, so a file system that several
# machines mount cannot hold it (sqlite.org/wal.html, "WAL does not work over a network filesystem").
_NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "ncpfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "glusterfs",
        "pvfs2",
        "orangefs",
        "davfs",
        "acfs",
        "wekafs",
    ]
)
_NETWORK_FUSE = [
    "sshfs",
    "s3fs",
    "goofys",
    "mount-s3",
    "gcsfuse",
    "rclone",
    "blobfuse",
    "blobfuse2",
    "glusterfs",
    "ceph",
    "davfs2",
    "smbnetfs",
    "juicefs",
    "hdfs",
    "alluxio",
]


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that holds `path`, e.g. `ext4`; None where the system does not say."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    here = path.resolve()
    best, found = -1, None
    for line in lines:
        # proc_pid_mountinfo(5): id parent dev root MOUNT_POINT options... - TYPE source super_options
        before, _, after = line.partition(" - ")
        point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if here.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.split(" ")[0]
    return found


def is_network(kind: str | None) -> bool:
    """True for a file system that several machines may mount at once."""
    if kind is None:
        return False
    return kind in _NETWORK or (kind.startswith("fuse.") and kind.removeprefix("fuse.") in _NETWORK_FUSE)
