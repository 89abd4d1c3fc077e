"""Tables, figures, the HTML page and the claims ledger of an experiment."""
