"""Files of this machine that go up: what cannot be sent is refused before anything is asked."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

import pouta
from pouta import images, object_store, streams


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "results"
    root.mkdir()
    (root / "a").write_text("a")
    return root


@contextmanager
def unprivileged():
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def refused(path, match, **options):
    with pytest.raises(pouta.InvalidInput, match=match) as caught:
        object_store.upload(None, path, "data", **options)
    assert caught.value.message.isprintable()


def test_a_name_that_is_not_utf_8_is_refused(folder):
    (folder / os.fsdecode(b"caf\xe9")).write_text("x")
    refused(folder, r"caf\\udce9.*UTF-8")
    refused(folder / os.fsdecode(b"caf\xe9"), r"caf\\udce9.*UTF-8")


def test_what_cannot_be_read_is_refused():
    """The superuser may read everything, so another user is asked to."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        file, shut = root / "mine", root / "shut"
        shut.mkdir()
        file.write_text("x")
        file.chmod(0)
        with unprivileged():
            refused(file, "mine cannot be read: Permission denied")
            refused(root, "mine cannot be read: Permission denied")
        file.unlink()
        shut.chmod(0)
        with unprivileged():
            refused(root, "shut.*cannot be read: Permission denied")
            refused(shut / "below", "cannot be reached: Permission denied")
        shut.chmod(0o700)


def test_what_is_neither_file_nor_folder_is_refused(folder, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is not a file")
    refused(tmp_path / "nothing", "no file or folder")
    for path in ("x" * 256, "a\0b", "d/" * 2100):
        refused(path, "Invalid file name")
        with pytest.raises(pouta.InvalidInput, match="Invalid file name"):
            images.upload(None, path, "mine")
    refused("~nobody-here/x", "home")


def test_a_folder_without_files_is_refused_with_what_is_in_it(tmp_path):
    root = tmp_path / "void"
    (root / "below").mkdir(parents=True)
    (root / "loop").symlink_to(root)
    refused(root, "no files in the folder")
    assert str(streams.walk(root)) == (
        "Left out: empty folders (1): 'below'; links to folders (1): 'loop'."
    )


def test_a_name_that_leads_elsewhere_is_refused(folder):
    for name in ("..", "../x", "a/./b", "a/.."):
        refused(folder / "a", "may resolve to another", name=name)
    for name in ("x" * 1025, "a\0b", "\ud800"):
        refused(folder / "a", "Invalid object name", name=name)


def test_many_names_are_counted():
    assert streams.few(["a", "b"]) == "'a', 'b'"
    assert streams.few([*"abcde"]) == "'a', 'b', 'c' and 2 more"
