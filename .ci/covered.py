"""Print how much of the code the tests have run, and the files of which they have run less than LEAST percent.

In: `.coverage`, as `pytest --cov` leaves it.
"""

import io

import coverage

LEAST = 90


def main() -> None:
    """Print the files by falling number of lines that no test has run, and the percentage of all."""
    measured = coverage.Coverage()
    measured.load()
    rows = []
    for path in measured.get_data().measured_files():
        _, statements, _, missing, lines = measured.analysis2(path)
        if statements and len(missing) > (1 - LEAST / 100) * len(statements):
            rows.append((len(missing), len(statements), path, lines))
    for missing, statements, path, lines in sorted(rows, reverse=True):
        print(f"{1 - missing / statements:4.0%} of {statements:3} lines  {path}  not: {lines}")
    print(f"{measured.report(file=io.StringIO()):.1f} % of all lines; {len(rows)} files below {LEAST} %")


if __name__ == "__main__":
    main()
