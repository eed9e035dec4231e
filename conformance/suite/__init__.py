"""The collected tests and what a run of them needs: items, schedule, progress, records."""
