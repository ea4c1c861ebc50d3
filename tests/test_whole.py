"""Files are written whole or not at all."""

import os

import pytest

from specdec_course.common.whole import write_bytes, write_text, write_whole


def test_a_file_is_replaced_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "marks.csv"
    assert write_text(path, "one\n") == path and write_bytes(path, b"two\n", sure=False) == path
    assert path.read_bytes() == b"two\n" and os.listdir(path.parent) == ["marks.csv"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_error_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "state"
    path.write_text("before")

    def half(temporary):
        temporary.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, half)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["state"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    path, other = tmp_path / "page.html", tmp_path / "other"
    other.write_text("mine")
    path.symlink_to(other)
    write_text(path, "ä" * 3)
    assert other.read_text() == "mine" and path.read_bytes() == "äää".encode() and not path.is_symlink()


def test_the_longest_names_are_written_too(tmp_path):
    for name in ("n" * 255, "\N{SNOWMAN}" * 85):
        assert write_text(tmp_path / name, "x").read_text() == "x"
