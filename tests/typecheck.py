"""The run-time type check that the tests put on every function of the package."""

from beartype import BeartypeConf, beartype

# is_pep484_tower: an int is welcome where a float is annotated, as in every static checker.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
