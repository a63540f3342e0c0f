"""Errors meant for the person at the keyboard: each message says what is wrong, what was received and what to do."""


class XrdscapeError(ValueError):
    """Base of every error that a user can cause and mend."""


class CrystalWarning(UserWarning):
    """Something was assumed of a crystal that its file does not say."""


class StructureError(XrdscapeError):
    """A crystal structure cannot be read or used."""


class CellError(XrdscapeError):
    """Lattice parameters that close no cell, or a cell without volume."""


class InstrumentError(XrdscapeError):
    """Instrument settings that describe no measurable pattern."""


class DescentError(XrdscapeError):
    """A descent was set up with impossible settings or starts."""


class EnergyError(XrdscapeError):
    """A structure that the energy model cannot describe."""


class RecordError(XrdscapeError):
    """Stored results that cannot be read or do not fit the settings asked for."""


class ChapterError(XrdscapeError):
    """An unknown chapter, an unknown parameter, or a value of the wrong type."""


class PatternError(XrdscapeError):
    """A measured pattern that cannot be read or used."""


class DataError(XrdscapeError):
    """Crystals or a data set that cannot be read, fetched or continued."""


class ExtraError(XrdscapeError):
    """A package is needed that the light install leaves out."""


class LibraryError(XrdscapeError):
    """A formula, or a library of known structures, that cannot be used."""
