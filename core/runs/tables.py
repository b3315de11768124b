"""The tables of the run database, as SQL, and what leads to them from those of earlier versions."""

from __future__ import annotations

from core.runs.damage import cells

VERSION = 7  # the database's user_version; raise it whenever SCHEMA changes, and say in UPGRADES how to get there
MARKS = """create table marks (
    run        integer not null references runs on delete cascade,
    key        text not null,                             -- what is marked, a Mark's key
    image_id   integer not null,
    kind       text not null,                             -- a LabelErrorKind
    class_name text,                                      -- the suggested class
    x1 real, y1 real, x2 real, y2 real,                   -- the suggested box, pixels
    gt_id      integer,                                   -- the annotation that may be wrong
    score      real,                                      -- of the prediction that contradicts it
    created    real not null,
    primary key (run, key)
)"""
CORRECTIONS = """create table corrections (
    number     integer primary key autoincrement,         -- the order in which they were made, never given twice
    file       text not null,                             -- of which annotation file, a `label_file`
    image_id   integer not null,
    file_name  text not null,                             -- of the image, as an id may come to be another one's
    label_id   integer not null,                          -- the annotation's id, of a new one its own
    kind       text not null,                             -- a CorrectionKind
    label_before text,                                    -- a Label as JSON, null: there was none
    label_after  text,                                    -- null: there is none any more
    state      text not null,                             -- done, undone (can be done again), or dropped (cannot)
    created    real not null                              -- seconds since 1970
);
create index corrections_of_file on corrections (file, image_id)"""
EXPERIMENTS = """create table experiments (
    id         text primary key,                          -- sweep-20261123-001530-ab12, local time
    name       text not null,
    kind       text not null,                             -- a key of experiments/kinds.py: KINDS
    config     text not null,                             -- what its runs are made from, TrainConfig as JSON
    plan       text not null,                             -- its own settings as JSON, which its kind reads
    created    real not null,                             -- seconds since 1970
    cancelled  integer not null default 0                 -- no run of it is to go on by itself
);
create table experiment_runs (
    run         integer primary key references runs on delete cascade,
    experiment  text not null references experiments on delete cascade,
    variant     text not null,                            -- what sets the run apart from the others, as JSON
    pause_epoch integer                                   -- it stops once this epoch is evaluated, null: it does not
);
create index runs_of_experiment on experiment_runs (experiment)"""
TIMES = """create table times (
    run        integer not null references runs on delete cascade,
    step       integer not null,
    time       real not null,                             -- when it was recorded first, seconds since 1970
    primary key (run, step)
) without rowid"""
VIEWS = """create table views (
    number     integer primary key autoincrement,
    name       text not null unique,
    page       text not null,                             -- the name of its file in pages/
    query      text not null,                             -- of its address: the values of each name, as JSON
    created    real not null                              -- seconds since 1970
)"""
PREFERENCES = """create table preferences (
    key        text primary key,                          -- what a user has chosen for good
    value      text not null                              -- as JSON
)"""
UPGRADES = {  # version to what leads to its next one
    1: "alter table runs add column remarks text not null default '[]'",
    2: MARKS,
    3: "alter table runs add column notes text not null default ''; alter table runs add column deleted real",
    4: CORRECTIONS,
    5: EXPERIMENTS,
    6: f"alter table runs add column tags text not null default '[]'; {TIMES}; {VIEWS}; {PREFERENCES}",
}

SCHEMA = f"""
create table runs (
    number            integer primary key autoincrement,  -- the order of creation; never given twice
    id                text not null unique,               -- 20261123-001530-ab12, local time
    name              text not null,
    status            text not null,                      -- a Status
    config            text not null,                      -- TrainConfig as JSON, or that of evaluated/__init__.py
    label_map         text,                               -- LabelMap as JSON, once the training knows it
    created           real not null,                      -- this and the next four: seconds since 1970
    queued            real,                               -- its place in the queue: when it joined, or later
    started           real,                               -- when it last began
    ended             real,
    heartbeat         real,                               -- when it last recorded something
    pid               integer,                            -- the process that works on it …
    pid_started       real,                               -- … and its start time, because pids come again
    stop_requested    integer not null default 0,
    message           text,                               -- what it is doing, or a sentence on how it ended
    notes             text not null default '',           -- free text of the user
    tags              text not null default '[]',         -- short words of the user, as JSON
    deleted           real,                               -- when it was moved into the bin; 0: it goes for good
    epoch             integer,                            -- done, of `epochs`
    epochs            integer,
    step              integer,                            -- done, of `steps`, over all epochs
    steps             integer,
    images_per_second real,
    seconds_left      real,
    baseline_ap       real,                               -- this and the next three follow from evaluations
    ap                real,
    best_ap           real,
    best_epoch        integer,
    remarks           text not null default '[]'          -- of the doctor and the training, as JSON: Remark.to_dict()
);
create table metrics (
    row   integer primary key autoincrement,              -- what a page asks by; never given twice
    run   integer not null references runs on delete cascade,
    step  integer not null,
    tag   text not null,
    value real                                            -- null stands for NaN, which SQLite cannot hold
);
create index metrics_of_run on metrics (run);             -- and by row, as in every index
create table evaluations (
    run        integer not null references runs on delete cascade,
    epoch      integer not null,                          -- 0: the untouched model
    step       integer not null,
    created    real not null,
    figures    text not null,                             -- CocoFigures as JSON
    ap         real,                                      -- the figures' AP
    is_best    integer not null,                          -- the best one when it was made
    has_table  integer not null,                          -- whether its detection table is kept
    primary key (run, epoch)
);
{MARKS};
{CORRECTIONS};
{EXPERIMENTS};
{TIMES};
{VIEWS};
{PREFERENCES};
"""

QUEUE_STEP = 0.001  # seconds at least between the times at which two runs joined the queue
# The value of `queued` for a run that joins now (?): behind all that wait, whatever the clock and damaged rows say.
END_OF_QUEUE = (
    "max(?, coalesce((select max(queued) from runs as others"
    f" where others.status = 'queued' and others.queued < {cells.LAST_SECOND}), 0) + {QUEUE_STEP})"
)
# Columns of `runs` that repeat `evaluations`, so that a list of runs is one query.
REPEAT_METRICS = """
update runs set
    baseline_ap = (select ap from evaluations where run = number and epoch = 0),
    ap = (select ap from evaluations where run = number order by epoch desc limit 1),
    best_ap = (select ap from evaluations where run = number and is_best order by epoch desc limit 1),
    best_epoch = (select epoch from evaluations where run = number and is_best order by epoch desc limit 1)
where number = ?
"""
