"""The running of the code: whole files, threads, compiled code kept between runs, and what made a number."""
