"""Tables, figures, the HTML page and the claims ledger of an experiment."""

from ccps.report.claims import Claim, ClaimSet, parse_claims
from ccps.report.data import ReportData
from ccps.report.ledger import ClaimVerdict, LedgerEntry, headline_lines, ledger_lines
from ccps.report.records import Audit, Example, Fact, Importance, LeftOutMethod, Setting
from ccps.report.tables import per_subject, write_costs_csv, write_results_csv
from ccps.report.verdict import Comparison, Standing, Verdict, decide
from ccps.report.write import write_report

__all__ = [
    "Audit",
    "Claim",
    "ClaimSet",
    "ClaimVerdict",
    "Comparison",
    "Example",
    "Fact",
    "Importance",
    "LedgerEntry",
    "LeftOutMethod",
    "ReportData",
    "Setting",
    "Standing",
    "Verdict",
    "decide",
    "headline_lines",
    "ledger_lines",
    "parse_claims",
    "per_subject",
    "write_costs_csv",
    "write_report",
    "write_results_csv",
]
