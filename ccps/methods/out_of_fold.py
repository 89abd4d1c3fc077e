"""What a method says of training answers when it has learnt from the others."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from ccps.core.errors import UserError
from ccps.methods.base import TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.evidence import FloatArray
from ccps.probes import Reporting
from ccps.probes.split import question_folds

FOLDS = 5
FOLD_SEED = 23


def out_of_fold_rows(
    method: TrainedMethod,
    known: TrainingAnswers,
    settings: TrainingSettings,
    seeds: Sequence[int],
    reporting: Reporting,
) -> tuple[pd.DataFrame, str]:
    """Question id, fold, `correct` and P(correct) of training answers by fits to the other folds.

    Returns:
        The rows, and why P is missing in all of them; an empty text where it is not.
    """
    rows = pd.DataFrame({"question_id": known.question_ids, "fold": -1, "correct": known.correct})
    try:
        folds = question_folds(known.correct.astype(np.int64), known.question_ids, FOLDS, FOLD_SEED)
        with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
            p: FloatArray = method.out_of_fold(known, folds, settings, seeds, reporting)[0]
    except UserError as error:
        return rows.assign(p_correct=np.nan), str(error)
    return rows.assign(fold=folds, p_correct=p), ""
