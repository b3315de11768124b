"""core/runs/database.py: made once, by whoever comes first, and safe between threads and processes."""

import os
import shutil
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from core import RunError
from core.runs.database import Database

SCHEMA = "create table t (x integer primary key);"


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "sub" / "t.db", SCHEMA, 1)
    yield database
    database.close()


def rows(database):
    with database.read() as db:
        return [row["x"] for row in db.execute("select x from t order by x")]


def test_a_new_database_is_in_wal_mode_complete_and_alone_in_its_folder(tmp_path):
    Database(tmp_path / "t.db", SCHEMA, 7).close()
    assert [path.name for path in tmp_path.iterdir()] == ["t.db"]
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert db.execute("pragma user_version").fetchone() == (7,)
        assert db.execute("select * from t").fetchall() == []


def test_an_existing_database_keeps_its_rows(database):
    with database.write() as db:
        db.execute("insert into t values (5)")
    again = Database(database.path, SCHEMA, 1)
    assert rows(again) == [5]
    again.close()


def test_threads_that_open_a_new_database_at_once_all_succeed_and_write_into_the_same(tmp_path):
    barrier = threading.Barrier(8)

    def open_and_write(number):
        barrier.wait()
        database = Database(tmp_path / "t.db", SCHEMA, 1)
        with database.write() as db:
            db.execute("insert into t values (?)", (number,))
        return database

    with ThreadPoolExecutor(8) as pool:
        databases = list(pool.map(open_and_write, range(8)))
    assert rows(databases[0]) == list(range(8))
    for database in databases:
        database.close()


def test_one_database_serves_many_threads_without_losing_a_write(database):
    def write(number):
        with database.write() as db:
            db.execute("insert into t select coalesce(max(x), 0) + 1 from t")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert rows(database) == list(range(1, 201))


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_works(database):
    def insert_twice(number, error=None):
        with database.write() as db:
            db.execute("insert into t values (?)", (number,))
            if error:
                raise error
            db.execute("insert into t values (?)", (number,))

    with pytest.raises(KeyError):
        insert_twice(1, KeyError())
    with pytest.raises(RunError, match="UNIQUE"):
        insert_twice(2)
    with database.write() as db:
        db.execute("insert into t values (3)")
    assert rows(database) == [3]


def test_a_reader_sees_only_finished_transactions_and_does_not_wait_for_one(database):
    with database.write() as db:
        db.execute("insert into t values (1)")
        assert rows(database) == []
    assert rows(database) == [1]


def test_a_file_without_hard_links_is_made_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    database = Database(tmp_path / "t.db", SCHEMA, 1)
    assert rows(database) == []
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["t.db"]


@pytest.mark.parametrize("version, said", [(2, "a newer version"), (0, "another version")])
def test_a_database_of_another_version_is_refused_and_left_as_it_is(database, version, said):
    with database.write() as db:
        db.execute(f"pragma user_version = {version}")
    with pytest.raises(RunError, match=f"{said}.*update DETR Lab"):
        Database(database.path, SCHEMA, 1)


def test_an_older_database_is_upgraded_step_by_step_and_keeps_its_rows(database):
    with database.write() as db:
        db.execute("insert into t values (5)")
    upgrades = {1: "alter table t add column first integer", 2: "alter table t add column second integer"}
    newer = Database(database.path, SCHEMA, 3, upgrades)
    with newer.read() as db:
        assert [tuple(row) for row in db.execute("select x, first, second from t")] == [(5, None, None)]
        assert db.execute("pragma user_version").fetchone()[0] == 3
    newer.close()


def test_an_upgrade_that_fails_leaves_the_old_version(database):
    with pytest.raises(RunError, match="cannot be used"):
        Database(database.path, SCHEMA, 2, {1: "alter table nothing add column y"})
    Database(database.path, SCHEMA, 1).close()


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path):
    (tmp_path / "t.db").write_text("these are no tables\n" * 100)
    with pytest.raises(RunError, match=r"t\.db cannot be used: file is not a database"):
        Database(tmp_path / "t.db", SCHEMA, 1)


def test_a_full_disk_is_said_so_and_what_is_there_can_still_be_read(database):
    with database.write() as db:
        db.execute("insert into t values (1)")
        db.execute(f"pragma max_page_count = {db.execute('pragma page_count').fetchone()[0]}")
    full = r"The disk is full \(.*t\.db cannot be written\): free some space"
    with pytest.raises(RunError, match=full), database.write() as db:
        db.executemany("insert into t values (?)", [(x,) for x in range(2, 5000)])
    assert rows(database) == [1]


def test_a_left_over_write_ahead_log_is_not_replayed_into_a_new_database(tmp_path):
    (tmp_path / "t.db-wal").write_bytes(b"old")
    with pytest.raises(RunError, match="is gone, but"):
        Database(tmp_path / "t.db", SCHEMA, 1)


@pytest.mark.parametrize("in_use", [True, False])
def test_a_deleted_database_is_an_error_and_no_empty_new_one(database, in_use):
    if not in_use:
        database.close()
    database.path.unlink()
    with pytest.raises(RunError, match=r"t\.db is gone: put it back"), database.read():
        pass
    assert not database.path.exists()


def test_a_database_that_is_put_back_or_replaced_is_used_as_it_then_is(database, tmp_path):
    with database.write() as db:
        db.execute("insert into t values (1)")
    other = Database(tmp_path / "other.db", SCHEMA, 1)
    with other.write() as db:
        db.execute("insert into t values (2)")
    other.close()
    away = tmp_path / "away.db"
    database.close()
    database.path.rename(away)
    with pytest.raises(RunError, match="is gone"):
        rows(database)
    away.rename(database.path)
    assert rows(database) == [1]
    (tmp_path / "other.db").replace(database.path)
    assert rows(database) == [2]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(RunError, match=r"runs/t\.db cannot be created"):
        Database(tmp_path / "runs" / "t.db", SCHEMA, 1)


@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: whole[:5000],
        lambda whole: whole[:20],
        lambda whole: b"no database at all" * 99,
        lambda whole: whole[:100] + bytes(range(256)) * (len(whole) // 256),
    ],
)
def test_a_damaged_file_is_one_sentence_that_says_what_to_do(tmp_path, harm):
    path = tmp_path / "t.db"
    made = Database(path, SCHEMA, 1)
    with made.write() as db:
        db.executemany("insert into t values (?)", [(x,) for x in range(5000)])
    made.close()
    whole = path.read_bytes()
    for part in tmp_path.iterdir():
        part.unlink()
    path.write_bytes(harm(whole))
    with pytest.raises(RunError, match="damaged") as refused, Database(path, SCHEMA, 1).read() as db:
        db.execute("select * from t").fetchall()
    assert str(path) in str(refused.value) and "move it away" in str(refused.value) and len(str(refused.value)) < 400


def test_a_database_that_another_program_holds_is_one_sentence(database, monkeypatch):
    monkeypatch.setattr("core.runs.database.BUSY_SECONDS", 0.05)
    database.close()  # its connections would wait as long as before
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        held = r"is locked: another program has held it .* end that program\."
        with pytest.raises(RunError, match=held), database.write():
            pass
        with database.read() as db:
            db.execute("select * from t").fetchall()  # reading waits for nobody
        other.execute("rollback")
    with database.write() as db:
        db.execute("insert into t values (1)")


def test_a_database_that_must_not_be_written_is_one_sentence(database):
    with database.read() as db:
        db.execute("pragma query_only = on")  # as without the right to: this user may write everywhere
    with pytest.raises(RunError, match="allow this user to write"), database.write() as db:
        db.execute("insert into t values (1)")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such modes")
def test_a_root_that_must_not_be_read_is_a_sentence():
    root = Path(tempfile.mkdtemp())
    (root / "runs").mkdir()
    root.chmod(0)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
        with pytest.raises(RunError, match=r"t\.db cannot be created: Permission denied"):
            Database(root / "runs" / "t.db", SCHEMA, 1)
    finally:
        if is_root:
            os.seteuid(0)
        root.chmod(0o700)
        shutil.rmtree(root)
