"""The experiment at full scale: problems made from reference structures, jobs, plans, records, campaign, audit."""
