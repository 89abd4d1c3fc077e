"""Tables, figures, the HTML page and the claims ledger of an experiment."""

from ccps.report.claims import Claim, ClaimSet, ClaimVerdict, LedgerEntry, judge_claim, parse_claims
from ccps.report.data import Example, Fact, ReportData, Setting
from ccps.report.tables import per_subject, write_costs_csv, write_results_csv
from ccps.report.verdict import Comparison, Standing, Verdict, decide
from ccps.report.write import write_report

__all__ = [
    "Claim",
    "ClaimSet",
    "ClaimVerdict",
    "Comparison",
    "Example",
    "Fact",
    "LedgerEntry",
    "ReportData",
    "Setting",
    "Standing",
    "Verdict",
    "decide",
    "judge_claim",
    "parse_claims",
    "per_subject",
    "write_costs_csv",
    "write_report",
    "write_results_csv",
]
