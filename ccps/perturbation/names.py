"""The 75 feature columns, in the order of the released code of CCPS (arXiv 2505.21772)."""

ORIGINAL_NAMES = (
    "original_log_prob_actual",
    "original_prob_actual",
    "original_logit_actual",
    "original_prob_argmax",
    "original_logit_argmax",
    "original_entropy",
    "original_margin_logit_top1_top2",
    "original_margin_prob_top1_top2",
    "original_norm_logits_L2",
    "original_std_logits",
    "original_norm_hidden_state_L2",
    "is_actual_token_original_argmax",
)
"""What the unperturbed state says: one number per token."""

TRAJECTORY_NAMES = ("jacobian_norm_token", "epsilon_to_flip_token", "pei_value_token")
"""What the whole way along the ray says: one number per token."""

PERTURBED_STEMS = (
    "perturbed_log_prob_actual",
    "perturbed_prob_actual",
    "perturbed_logit_actual",
    "delta_log_prob_actual_from_original",
    "perturbed_prob_argmax",
    "perturbed_logit_argmax",
    "did_argmax_change_from_original",
    "perturbed_entropy",
    "perturbed_margin_logit_top1_top2",
    "perturbed_norm_logits_L2",
    "kl_div_perturbed_from_original",
    "js_div_perturbed_from_original",
    "cosine_sim_logits_perturbed_to_original",
    "cosine_sim_hidden_perturbed_to_original",
    "l2_dist_hidden_perturbed_from_original",
)
"""What each radius of the grid says: one number per token and radius, then summarised over the grid."""

SUMMARIES = ("min", "max", "mean", "std")

FEATURE_NAMES = (
    *ORIGINAL_NAMES,
    *TRAJECTORY_NAMES,
    *(f"{stem}_{summary}" for stem in PERTURBED_STEMS for summary in SUMMARIES),
)
"""Names of the 75 columns that `stability_features` returns, in order."""
