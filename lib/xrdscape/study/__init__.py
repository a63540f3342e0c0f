"""The experiment at full scale: plan, shards, records, execution, audit."""
