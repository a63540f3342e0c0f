"""How it runs: whole files, threads, compiled code kept between runs, and what made a number."""
