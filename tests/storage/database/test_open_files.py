"""The log of a database that was replaced is removed, once, and that of the new one never is."""

from pathlib import Path

from storage.database.open_files import OpenFiles


def test_of_two_processes_one_removes_the_former_log_and_none_the_new_one(tmp_path: Path) -> None:
    path, log = tmp_path / "it.db", tmp_path / "it.db-wal"
    processes = [OpenFiles(str(path)) for _ in range(2)]
    path.write_text("first")
    for number in range(10):  # file systems give the inode of a file that was removed to the next one
        log.write_text("former")
        for files in processes:
            files.note()
            files.remove_former_log()
            assert log.exists(), "the file is the same"
        (tmp_path / "new.db").write_text(f"{number}")
        (tmp_path / "new.db").rename(path)
        processes[0].remove_former_log()
        assert not log.exists()
        processes[0].forget()
        log.write_text("new")
        processes[1].remove_former_log()
        processes[1].remove_former_log()
        assert log.read_text() == "new"
    for files in processes:
        files.forget()
