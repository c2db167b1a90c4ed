"""What a run leaves for people and machines: report.json, the contract, and report.html, one page drawn from it alone."""
