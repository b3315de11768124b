"""What the wheel needs, read from requirements.txt when it is built: there is no second list."""

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Dependencies(MetadataHookInterface):
    """Hatchling's hook for `dynamic = ["dependencies"]`."""

    def update(self, metadata: dict) -> None:
        """Set the dependencies to the lines of requirements.txt, without their comments."""
        lines = (Path(self.root) / "requirements.txt").read_text(encoding="utf-8").splitlines()
        metadata["dependencies"] = [words for line in lines if (words := line.partition("#")[0].strip())]
