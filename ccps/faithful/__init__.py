"""Does a model say what it believes? Decisiveness and confidence of reasoning steps, and how far they agree.

Pure functions on texts and arrays (arXiv 2606.03969). Every score lies in [0, 1]; a missing one is NaN. `mode="strict"`
does what is right, `mode="parity"` what the paper's released code does; there −1 is missing too.
"""

from ccps.faithful.align import misalignment, step_token_indices
from ccps.faithful.association import (
    Correlations,
    Gap,
    WithinTraces,
    correlations,
    signed_gap,
    spearman,
    spearman_within,
)
from ccps.faithful.attention import Attending, Attention
from ccps.faithful.baselines import Baselines, baselines
from ccps.faithful.consistency import (
    Consistency,
    consistency,
    first_paragraph,
    prefix_end,
    sampled_steps,
    sampling_confidence,
    trace_random,
    verdict_inconsistency,
)
from ccps.faithful.deepconf import (
    TraceDeepConf,
    deepconf,
    deepconf_steps,
    quantile_normalised,
    scaled,
    step_means,
    token_confidence,
    trace_deepconf,
)
from ccps.faithful.intervals import bootstrap_score, stratified_interval
from ccps.faithful.lexicon import Decisiveness, Found, SentenceScore, decisiveness, score_steps
from ccps.faithful.metrics import DatasetScore, Metric, Strata, cmfg, cmfg_star, dataset_score, mfg, stratify
from ccps.faithful.modes import Mode
from ccps.faithful.placing import PlacedSteps, place_steps
from ccps.faithful.rcc import StepChain, attended_chain, rcc, rcc_chain
from ccps.faithful.saying import Saying, phrase, say, sayings
from ccps.faithful.segment import Block, Step, segment, think_block
from ccps.faithful.trace import (
    TraceRule,
    TraceScore,
    score_trace,
    step_faithfulness,
    trace_confidence,
)

__all__ = [
    "Attending",
    "Attention",
    "Baselines",
    "Block",
    "Consistency",
    "Correlations",
    "DatasetScore",
    "Decisiveness",
    "Found",
    "Gap",
    "Metric",
    "Mode",
    "PlacedSteps",
    "Saying",
    "SentenceScore",
    "Step",
    "StepChain",
    "Strata",
    "TraceDeepConf",
    "TraceRule",
    "TraceScore",
    "WithinTraces",
    "attended_chain",
    "baselines",
    "bootstrap_score",
    "cmfg",
    "cmfg_star",
    "consistency",
    "correlations",
    "dataset_score",
    "decisiveness",
    "deepconf",
    "deepconf_steps",
    "first_paragraph",
    "mfg",
    "misalignment",
    "phrase",
    "place_steps",
    "prefix_end",
    "quantile_normalised",
    "rcc",
    "rcc_chain",
    "sampled_steps",
    "sampling_confidence",
    "say",
    "sayings",
    "scaled",
    "score_steps",
    "score_trace",
    "segment",
    "signed_gap",
    "spearman",
    "spearman_within",
    "step_faithfulness",
    "step_means",
    "step_token_indices",
    "stratified_interval",
    "stratify",
    "think_block",
    "token_confidence",
    "trace_confidence",
    "trace_deepconf",
    "trace_random",
    "verdict_inconsistency",
]
