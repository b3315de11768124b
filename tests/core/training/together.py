"""A process of a training by several: `together.py CONFIG FOLDER [STOP_AT]` with the settings as JSON.

The first one prints its metrics, a JSON line a step or evaluation, and stops after step STOP_AT if that is given.
"""

import json
import os
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "app.py").exists())))

from core.config import TrainConfig
from core.training.events import Evaluated, Measured, StepDone
from core.training.train import train

if __name__ == "__main__":
    config, folder = TrainConfig.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2])
    is_main_process = os.environ.get("RANK", "0") == "0"
    stop_at = int(sys.argv[3]) if len(sys.argv) > 3 and is_main_process else None
    with closing(train(config, folder, resume=(folder / "last").is_dir())) as training:
        for progress in training:
            if isinstance(progress, Measured) and is_main_process:
                detections = progress.detections if isinstance(progress, Evaluated) else None
                images = sorted(set(detections.image_id.tolist())) if detections else None
                rows = len(detections) if detections else None
                kind = type(progress).__name__
                print(json.dumps([kind, progress.step, progress.metrics, images, rows]), flush=True)
            if isinstance(progress, StepDone) and progress.step == stop_at:
                break
