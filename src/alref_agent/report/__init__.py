"""`report.html`: one page that shows what came of a run, and why."""
