"""What every experiment is made with: jobs, sweeps over seeds, evidence, claims, run folders, the page of results."""
