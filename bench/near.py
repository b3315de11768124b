"""`python -m bench.near FOLDER …`: how many near duplicates are found, and how many pictures are taken for such.

Of each folder's pictures copies are made in several ways; a copy is found if it is in the group of its original. What
is grouped without any copy is a false alarm, or a near duplicate that was there: it is named. The same for drawn
pictures that are nearly empty. Then how long it takes to pair the hashes of 100,000 pictures.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from core.datasets.alike.look import Look
from core.datasets.alike.near import candidates, near_duplicates
from core.keep_result import KeepResult

MANY = 100_000
ENDINGS = {".jpg", ".jpeg", ".png"}


def cut(image: Image.Image, share: float) -> Image.Image:
    """A picture without `share` of its width and height at each side."""
    w, h = image.size
    return image.crop((round(share * w), round(share * h), round(w - share * w), round(h - share * h)))


WAYS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {  # and the JPEG's quality
    "saved anew": (lambda image: image, 40),
    "half as large": (lambda image: image.resize((image.width // 2, image.height // 2)), 90),
    "brighter by a fifth": (lambda image: ImageEnhance.Brightness(image).enhance(1.2), 90),
    "less contrast": (lambda image: ImageEnhance.Contrast(image).enhance(0.7), 90),
    "cut by 2 % a side": (lambda image: cut(image, 0.02), 90),
    "cut by 5 % a side": (lambda image: cut(image, 0.05), 90),
    "all of these": (
        lambda i: cut(ImageEnhance.Brightness(i.resize((i.width // 2, i.height // 2))).enhance(1.2), 0.03), 60,
    ),
}  # fmt: skip


def copy(path: Path, way: str) -> bytes:
    """The JPEG of a copy."""
    change, quality = WAYS[way]
    file = io.BytesIO()
    with Image.open(path) as image:
        change(image.convert("RGB")).save(file, "JPEG", quality=quality)
    return file.getvalue()


def groups_of(paths: Sequence[Path]) -> list[list[Path]]:
    """The groups of near duplicates."""
    work = KeepResult(near_duplicates([(path, path) for path in paths]))
    for _ in work:
        pass
    return work.result


def draw_empty(folder: Path, count: int = 200) -> None:
    """Pictures of a lit ground that is the same in all, with noise, and up to two small spots."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:480j, -1:1:640j]
    light = 200 - 60 * (x**2 + y**2)
    for number in range(count):
        image = Image.fromarray(np.clip(light + rng.normal(0, 3, light.shape), 0, 255).astype(np.uint8)).convert("RGB")
        draw = ImageDraw.Draw(image)
        for _ in range(number % 3):
            left, top = rng.uniform(20, 600), rng.uniform(20, 440)
            draw.ellipse((left, top, left + rng.uniform(10, 30), top + rng.uniform(10, 30)), fill=(90, 40, 60))
        image.save(folder / f"{number}.jpg", quality=92)


def measure(name: str, paths: list[Path], copies: bool = True) -> None:
    """Print what is found among the pictures, and of their copies."""
    begin = time.perf_counter()
    groups = groups_of(paths)
    seconds = time.perf_counter() - begin
    listed = "; ".join(", ".join(path.name for path in group) for group in groups[:5])
    print(f"{name}: {len(paths)} pictures, {1000 * seconds / len(paths):.1f} ms each; without copies "
          f"{len(groups)} groups {listed}", flush=True)  # fmt: skip
    for way in WAYS if copies else ():
        with tempfile.TemporaryDirectory() as folder:
            made = [Path(folder) / f"{place}.jpg" for place in range(len(paths))]
            for path, target in zip(paths, made, strict=True):
                target.write_bytes(copy(path, way))
            together = {path: number for number, group in enumerate(groups_of([*paths, *made])) for path in group}
            grouped = sum(
                together.get(path, -1) == together.get(target, -2) for path, target in zip(paths, made, strict=True)
            )
            print(f"    {way}: {grouped} of {len(paths)} found, {100 * grouped / len(paths):.1f} %; "
                  f"{len(set(together.values()))} groups", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("data/street")])
    options = parser.parse_args()
    for folder in options.folders:
        measure(str(folder), sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS))
    with tempfile.TemporaryDirectory() as name:
        draw_empty(Path(name))
        measure("nearly empty", sorted(Path(name).glob("*.jpg")), copies=False)
    rng = np.random.default_rng(0)
    looks = [Look(*pair) for pair in rng.integers(0, 2**64, (MANY, 2), dtype=np.uint64).tolist()]
    begin = time.perf_counter()
    pairs = sum(1 for _ in candidates(looks))
    print(f"the hashes of {MANY:,} pictures are paired in {time.perf_counter() - begin:.0f} s: {pairs} pairs")


if __name__ == "__main__":
    main()
