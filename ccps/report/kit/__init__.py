"""What all reports are made of: sections, tables, figures, and the page they stand on."""
